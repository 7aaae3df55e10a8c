"""The machine beside its accelerators: processors, memory, and what is installed on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from estate.verdicts import Dimension
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, chosen, some_nodes
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def standing(wish: Wish) -> Masks:
    """Where what the contract names is not installed, or too old."""
    required = wish.workload.contract.software
    if not required:
        return {}
    lacks = [not all(r.met_by(found) for r in required) for found in wish.columns.installed]
    return {Constraint.SOFTWARE: np.array(lacks or [False], dtype=np.bool_)[wish.columns.software]}


def moving(wish: Wish, room: Room, _without: Constraint | None) -> Masks:
    """Where processors or memory run short."""
    contract = wish.workload.contract
    found: Masks = {}
    if contract.millicores:
        found[Constraint.CPU] = room.cpu < contract.millicores
    if contract.host_mebibytes:
        found[Constraint.HOST_MEMORY] = room.memory < contract.host_mebibytes
    return found


def _cpu(room: Room) -> Ints:
    return room.cpu


def _memory(room: Room) -> Ints:
    return room.memory


def _words(of: Callable[[Room], Ints], field: str, unit: str) -> Callable[[Refused], Words]:
    def words(by: Refused) -> Words:
        needed, most = getattr(by.wish.workload.contract, field), int(of(by.room)[by.refused].max(initial=0))
        return (
            f"{needed} {unit} on one node",
            f"at most {max(most, 0)} {unit}",
            "free some on one node, or ask for less",
        )

    return words


def lacking(wish: Wish, attempt: Attempt, of: Callable[[Room], Ints]) -> dict[int, int]:
    """What each node would lack, with all replicas seated as in the attempt."""
    room = Room(wish)
    for row in attempt.rows:
        room.seat(row, np.array([], dtype=np.int64), 0)
    return {row: -int(of(room)[row]) for row in sorted({*attempt.rows}) if of(room)[row] < 0}


def _relaxed(of: Callable[[Room], Ints], unit: str) -> Callable[[Wish, Attempt], str]:
    def relaxed(wish: Wish, attempt: Attempt) -> str:
        parts = [f"{n} {unit} on `{wish.columns.ids[row]}`" for row, n in lacking(wish, attempt, of).items()]
        return f"free {' and '.join(parts)}"

    return relaxed


def _missing(of: Callable[[Room], Ints], field: str) -> Callable[[Wish], Ints]:
    def missing(wish: Wish) -> Ints:
        needed: Ints = np.maximum(getattr(wish.workload.contract, field) - of(Room(wish)), 0)
        return needed

    return missing


def _software_words(by: Refused) -> Words:
    required, installed = by.wish.workload.contract.software, by.wish.columns.installed
    names = {r.name for r in required}
    sets = (installed[s] for s in np.unique(by.wish.columns.software[by.refused]))
    found = sorted({f"{s.name} {s.version}" for held in sets for s in held if s.name in names})
    needed = ", ".join(f"{r.name} {r.at_least} or later" for r in required)
    return needed, ", ".join(found[:6]) or "nobody tells", f"upgrade one of {some_nodes(by.wish, by.refused)}"


RULES = (
    Rule(
        Constraint.CPU,
        _words(_cpu, "millicores", "millicores"),
        _relaxed(_cpu, "millicores"),
        "processors beside the accelerators",
        misses=_missing(_cpu, "millicores"),
    ),
    Rule(
        Constraint.HOST_MEMORY,
        _words(_memory, "host_mebibytes", "MiB"),
        _relaxed(_memory, "MiB of memory"),
        "memory beside the accelerators",
        misses=_missing(_memory, "host_mebibytes"),
    ),
    Rule(
        Constraint.SOFTWARE,
        _software_words,
        lambda w, a: f"upgrade {chosen(w, a)}, or accept what is installed there",
        "machines with the software that your contract asks for",
        Dimension.CONTRACT,
    ),
)
