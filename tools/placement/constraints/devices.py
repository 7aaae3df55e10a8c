"""Devices of one node: enough of them, free, of an accepted model and memory, in one NVLink domain."""

from __future__ import annotations

import numpy as np

from estate.verdicts import Dimension
from estate.workloads import BandwidthClass
from tools.placement.attempts import Attempt
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among, chosen, models_on
from tools.placement.wishes import Room, Wish


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """What the devices refuse that are left."""
    c, needed = wish.columns, wish.needed
    of_model, of_memory = suitable(wish, without)
    model = (c.exists & of_model).sum(axis=1) < needed
    small = c.exists.sum(axis=1) < needed  # told by the model, whose words count accelerators
    memory = ((c.exists & of_memory).sum(axis=1) < needed) & ~small
    usable = room.devices & of_model & of_memory
    free = usable.sum(axis=1) < needed
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and needed > 1
    scattered = largest_domain(c, usable) < needed if joined else np.zeros(len(c.ids), dtype=np.bool_)
    return {
        Constraint.MODEL: model,
        Constraint.MEMORY: memory,
        Constraint.FREE: free & ~model & ~memory,
        Constraint.NVLINK: scattered & ~free,
    }


def suitable(wish: Wish, without: Constraint | None) -> tuple[Flags, Flags]:
    """The devices of an accepted model, and those with enough memory."""
    if without not in wish.suited:
        wish.suited[without] = _suitable(wish, without)
    return wish.suited[without]


def _suitable(wish: Wish, without: Constraint | None) -> tuple[Flags, Flags]:
    c, contract = wish.columns, wish.workload.contract
    everything = np.ones(c.exists.shape, dtype=np.bool_)
    kinds = zip(c.models, c.makers, strict=True)
    accepted = [i for i, (model, maker) in enumerate(kinds) if contract.accepts(model, maker)]
    free_choice = len(accepted) == len(c.models) or without is Constraint.MODEL
    of_model = everything if free_choice else among(len(c.models), accepted)[c.model]
    of_memory = everything if without is Constraint.MEMORY else c.memory >= contract.memory_mebibytes
    return of_model, of_memory


def largest_domain(columns: Columns, usable: Flags) -> Ints:
    """For each node, how many usable devices its best NVLink domain has."""
    most = np.zeros(len(columns.ids), dtype=np.int64)
    for domain in range(int(columns.domain.max(initial=-1)) + 1):
        most = np.maximum(most, (usable & (columns.domain == domain)).sum(axis=1))
    return most


def _usable(by: Refused) -> Flags:
    of_model, of_memory = suitable(by.wish, None)
    return by.room.devices & of_model & of_memory


def _model_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    found = models_on(wish.columns, np.flatnonzero(refused))
    contract = wish.workload.contract
    accepted = " or ".join(contract.models or (f"an accelerator of {v.value}" for v in contract.vendors))
    return (
        f"{wish.needed} × {accepted or 'an accelerator of any model'}",
        ", ".join(found) or "no accelerators",
        "accept another model in the contract",
    )


def _memory_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    most = int(wish.columns.memory[refused].max(initial=0))
    needed = wish.workload.contract.memory_mebibytes
    return f"{needed} MiB on each accelerator", f"at most {max(most, 0)} MiB", "ask for less memory in the contract"


def _free_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    most = int(_usable(by)[refused].sum(axis=1).max(initial=0))
    needed = f"{wish.needed} free accelerators on one node"
    return needed, f"at most {most}", f"free {max(wish.needed - most, 1)} more on one node"


def _nvlink_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    most = int(largest_domain(wish.columns, _usable(by))[refused].max(initial=0))
    needed = f"{wish.needed} free accelerators in one NVLink domain"
    return needed, f"at most {most}", "accept the same node without one NVLink domain"


def _model_relaxed(wish: Wish, attempt: Attempt) -> str:
    models = models_on(wish.columns, np.array(attempt.rows))
    return f"accept the model {', '.join(f'`{m}`' for m in models)}; {chosen(wish, attempt)} would do"


def _memory_relaxed(wish: Wish, attempt: Attempt) -> str:
    least = int(wish.columns.memory[attempt.rows][wish.columns.exists[attempt.rows]].min())
    return f"accept accelerators of {least} MiB; {chosen(wish, attempt)} would do"


def _free_relaxed(wish: Wish, attempt: Attempt) -> str:
    room = Room(wish)
    wanted: dict[int, int] = {}
    for row, binding in zip(attempt.rows, attempt.bindings, strict=True):
        slots = np.flatnonzero(np.isin(wish.columns.index[row], binding.accelerators) & wish.columns.exists[row])
        wanted[row] = wanted.get(row, 0) + int((~room.free[row, slots]).sum())
    parts = [f"{n} more on `{wish.columns.ids[r]}`" for r, n in wanted.items() if n]
    return f"free accelerators: {' and '.join(parts)}"


def _lacking(wish: Wish) -> Ints:
    of_model, of_memory = suitable(wish, None)
    usable = (Room(wish).devices & of_model & of_memory).sum(axis=1)
    lacking: Ints = np.maximum(wish.needed - usable, 0)
    return lacking


RULES = (
    Rule(Constraint.FREE, _free_words, _free_relaxed, "enough free accelerators on one machine", misses=_lacking),
    Rule(
        Constraint.NVLINK,
        _nvlink_words,
        lambda w, a: f"accept accelerators of several NVLink domains on {chosen(w, a)}",
        "free accelerators that are directly connected",
    ),
    Rule(
        Constraint.MODEL,
        _model_words,
        _model_relaxed,
        "an accelerator model that your contract accepts",
        Dimension.CONTRACT,
    ),
    Rule(
        Constraint.MEMORY,
        _memory_words,
        _memory_relaxed,
        "accelerators with the memory that your contract asks for",
        Dimension.CONTRACT,
    ),
)
