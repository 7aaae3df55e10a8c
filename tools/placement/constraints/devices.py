"""Devices of one node: enough of them, free, of an accepted model and memory, in one NVLink domain."""

from __future__ import annotations

import numpy as np

from estate.verdicts import Dimension
from estate.workloads import BandwidthClass
from tools.placement.attempts import Attempt
from tools.placement.columns import UNCAPPED, Columns, Flags, Ints, counted
from tools.placement.constraints import sizes
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among, chosen, models_on
from tools.placement.rooms import Room
from tools.placement.wishes import Suited, Wish


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """What the devices refuse that are left."""
    c, needed, suited = wish.columns, wish.needed, suitable(wish, without)
    small = counted(c.exists) < needed  # told by the model, whose words count accelerators
    model = _short(wish, suited.of_model)
    memory = _short(wish, suited.of_memory) & ~small
    found = {Constraint.MODEL: model, Constraint.MEMORY: memory}
    if sizes.matters(wish):
        found[Constraint.SIZE] = _short(wish, suited.of_size) & ~small
    if wish.workload.contract.limit_watts:
        found[Constraint.LIMIT] = _short(wish, suited.of_limit) & ~small
    usable = room.devices & suited.all
    free = counted(usable) < needed
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and needed > 1
    scattered = largest_domain(c, usable) < needed if joined else np.zeros(len(c.ids), dtype=np.bool_)
    elsewhere: Flags = np.logical_or.reduce(list(found.values()))
    return found | {Constraint.FREE: free & ~elsewhere, Constraint.NVLINK: scattered & ~free}


def _short(wish: Wish, of_kind: Flags) -> Flags:
    found: Flags = counted(wish.columns.exists & of_kind) < wish.needed
    return found


def suitable(wish: Wish, without: Constraint | None) -> Suited:
    """The devices that the contract accepts, whoever holds them."""
    if without not in wish.suited:
        wish.suited[without] = _suitable(wish, without)
    return wish.suited[without]


def _suitable(wish: Wish, without: Constraint | None) -> Suited:
    c, contract = wish.columns, wish.workload.contract
    everything = np.ones(c.exists.shape, dtype=np.bool_)
    kinds = zip(c.models, c.makers, strict=True)
    accepted = [i for i, (model, maker) in enumerate(kinds) if contract.accepts(model, maker)]
    free_choice = len(accepted) == len(c.models) or without is Constraint.MODEL
    limited = contract.limit_watts and without is not Constraint.LIMIT
    return Suited(
        of_model=everything if free_choice else among(len(c.models), accepted)[c.model],
        of_memory=everything if without is Constraint.MEMORY else c.memory >= contract.memory_mebibytes,
        of_size=sizes.of_size(wish, everything, relaxed=without is Constraint.SIZE),
        of_limit=c.limit >= contract.limit_watts if limited else everything,
    )


def largest_domain(columns: Columns, usable: Flags) -> Ints:
    """For each node, how many usable devices its best NVLink domain has."""
    most = np.zeros(len(columns.ids), dtype=np.int64)
    for domain in range(int(columns.domain.max(initial=-1)) + 1):
        most = np.maximum(most, counted(usable & (columns.domain == domain)))
    return most


def _usable(by: Refused) -> Flags:
    return by.room.devices & suitable(by.wish, None).all


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
    what = sizes.called(wish.workload.contract)
    return (
        f"{wish.needed} free {what} on one node",
        f"at most {most}",
        f"free {max(wish.needed - most, 1)} more on one node",
    )


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
        wanted[row] = wanted.get(row, 0) + int((~room.open[row, slots]).sum())
    parts = [f"{n} more on `{wish.columns.ids[r]}`" for r, n in wanted.items() if n]
    return f"free {sizes.called(wish.workload.contract)}: {' and '.join(parts)}"


def _lacking(wish: Wish) -> Ints:
    usable = counted(Room(wish).devices & suitable(wish, None).all)
    lacking: Ints = np.maximum(wish.needed - usable, 0)
    return lacking


def _limit_words(by: Refused) -> Words:
    most = int(by.wish.columns.limit[by.refused].max(initial=-1))
    needed = f"a power limit of {by.wish.workload.contract.limit_watts} W on each accelerator"
    return needed, f"at most {most} W" if most >= 0 else "nobody tells", "raise the limit, or accept slower ones"


def _limit_relaxed(wish: Wish, attempt: Attempt) -> str:
    return f"accept accelerators that are limited to {least_limit(wish, attempt)} W; {chosen(wish, attempt)} would do"


def least_limit(wish: Wish, attempt: Attempt) -> int:
    """The lowest power limit of the devices that the attempt took; 0 where nobody tells one."""
    found = (
        int(wish.columns.limit[row, np.isin(wish.columns.index[row], b.accelerators)].min(initial=UNCAPPED))
        for row, b in zip(attempt.rows, attempt.bindings, strict=True)
    )
    return max(min(found), 0)


RULES = (
    *sizes.RULES,
    Rule(
        Constraint.LIMIT,
        _limit_words,
        _limit_relaxed,
        "accelerators that may draw as much as your contract asks for",
        Dimension.CONTRACT,
    ),
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
