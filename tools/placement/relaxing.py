"""The nearest relaxation: the first single constraint, from the cheapest, without which everything would fit.

Each candidate is a search of its own, so what is said here was computed. The law is never offered as negotiable:
where only a sovereignty axis stands in the way, the words say that signed facts would have to change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from estate.ids import RackId
from tools.placement.columns import Ints
from tools.placement.masks import Constraint, Room, Wish, models_on, suitable, tenants_on
from tools.placement.searching import Attempt, search


def nearest(wish: Wish, failed: Attempt) -> str:
    """The smallest relaxation found that would admit the ask, in words."""
    if not wish.columns.ids:
        return "the estate has no nodes; add some"
    for constraint in Constraint:
        found = _moved_whole(wish) if constraint is Constraint.CLUSTER else _without(wish, constraint)
        if found:
            return found
    if failed.bindings:
        return f"ask for {len(failed.bindings)} instead of {failed.wanted} replicas; that many fit as things are"
    return _closest(wish, failed)


def _without(wish: Wish, constraint: Constraint) -> str | None:
    attempt = search(wish, constraint, misses(wish, constraint))
    return _WORDS[constraint](wish, attempt) if attempt.complete else None


def _moved_whole(wish: Wish) -> str | None:
    if wish.whole:
        return None
    everything = tuple(range(wish.workload.replicas))
    attempt = search(replace(wish, ask=replace(wish.ask, replicas=everything)))
    if not attempt.complete:
        return None
    cluster = wish.columns.names.clusters[attempt.cluster]
    return f"move all {wish.workload.replicas} replicas of `{wish.workload.id}` together to cluster `{cluster}`"


def words(wish: Wish, attempt: Attempt, constraint: Constraint) -> str:
    """What it takes to do without that constraint, as the attempt did."""
    return _WORDS[constraint](wish, attempt)


def misses(wish: Wish, constraint: Constraint) -> Ints | None:
    """How far each node is from meeting the constraint, in its unit; None where there is no measure."""
    room = Room(wish)
    match constraint:
        case Constraint.FREE:
            of_model, of_memory = suitable(wish, None)
            usable = (room.devices & of_model & of_memory).sum(axis=1)
            lacking: Ints = np.maximum(wish.needed - usable, 0)
            return lacking
        case Constraint.POWER if wish.columns.rack_budget.size:
            over: Ints = np.maximum(room.rack_after(wish.watts) - wish.columns.rack_budget[wish.columns.rack], 0)
            return over
        case _:
            return None


def _closest(wish: Wish, failed: Attempt) -> str:
    """No single relaxation helps: the node with the fewest failed constraints, and those."""
    order = [c for c in Constraint if c in failed.last]
    failing = np.stack([failed.last[c] for c in order])
    row = int(np.argmin(failing.sum(axis=0)))
    names = ", ".join(c.value for c, f in zip(order, failing[:, row], strict=True) if f)
    if not names:
        return "no single change admits it; move something else away first"
    return f"no single change admits it; `{wish.columns.ids[row]}` comes closest and fails on: {names}"


def _chosen(wish: Wish, attempt: Attempt) -> str:
    return ", ".join(f"`{n}`" for n in dict.fromkeys(b.node for b in attempt.bindings)) or "a node"


def lacking_watts(wish: Wish, attempt: Attempt) -> dict[RackId, int]:
    """Watts that each rack would lack, with all replicas seated as in the attempt."""
    room, columns = Room(wish), wish.columns
    for row in attempt.rows:
        room.seat(row, np.array([], dtype=np.int64), wish.watts)
    over = room.rack_drawn - columns.rack_budget
    racks = sorted({int(columns.rack[r]) for r in attempt.rows if columns.rack[r] >= 0})
    return {columns.names.racks[r]: int(over[r]) for r in racks if over[r] > 0}


def _power(wish: Wish, attempt: Attempt) -> str:
    parts = [f"{watts} W in rack `{rack}`" for rack, watts in lacking_watts(wish, attempt).items()]
    return f"free {' and '.join(parts)}, or raise the budget there by a signed fact"


def _free(wish: Wish, attempt: Attempt) -> str:
    room = Room(wish)
    wanted: dict[int, int] = {}
    for row, binding in zip(attempt.rows, attempt.bindings, strict=True):
        slots = np.flatnonzero(np.isin(wish.columns.index[row], binding.accelerators) & wish.columns.exists[row])
        wanted[row] = wanted.get(row, 0) + int((~room.free[row, slots]).sum())
    parts = [f"{n} more on `{wish.columns.ids[r]}`" for r, n in wanted.items() if n]
    return f"free accelerators: {' and '.join(parts)}"


def _site(wish: Wish, attempt: Attempt) -> str:
    sites = sorted({wish.columns.names.sites[wish.columns.site[r]] for r in attempt.rows})
    return f"allow site {', '.join(f'`{s}`' for s in sites)}; {_chosen(wish, attempt)} would do"


def _model(wish: Wish, attempt: Attempt) -> str:
    models = models_on(wish.columns, np.array(attempt.rows))
    return f"accept the model {', '.join(f'`{m}`' for m in models)}; {_chosen(wish, attempt)} would do"


def _memory(wish: Wish, attempt: Attempt) -> str:
    least = int(wish.columns.memory[attempt.rows][wish.columns.exists[attempt.rows]].min())
    return f"accept accelerators of {least} MiB; {_chosen(wish, attempt)} would do"


def _isolation(wish: Wish, attempt: Attempt) -> str:
    others = tenants_on(wish, np.array(attempt.rows))
    who = f" from {', '.join(f'`{t}`' for t in others)}" if others else ""
    return f"clear {_chosen(wish, attempt)}{who}: tenants may not stand that close"


def _law(axis: str) -> Callable[[Wish, Attempt], str]:
    return lambda wish, attempt: (
        f"only other signed facts would admit {_chosen(wish, attempt)}: the {axis} limits of `{wish.workload.id}`"
        " do not; no approval lifts them"
    )


_WORDS: dict[Constraint, Callable[[Wish, Attempt], str]] = {
    Constraint.AVOID: lambda w, a: f"stop avoiding {_chosen(w, a)}",
    Constraint.SITE: _site,
    Constraint.CORDON: lambda w, a: f"uncordon {_chosen(w, a)} once the symptom there is gone",
    Constraint.TAINT: lambda w, a: f"lift the taint of {_chosen(w, a)}, or let `{w.workload.id}` tolerate it",
    Constraint.FREE: _free,
    Constraint.POWER: _power,
    Constraint.HEALTH: lambda w, a: f"repair {_chosen(w, a)}",
    Constraint.NVLINK: lambda w, a: f"accept accelerators of several NVLink domains on {_chosen(w, a)}",
    Constraint.TOGETHER: lambda w, a: f"accept replicas apart from each other: on {_chosen(w, a)}",
    Constraint.SPREAD: lambda w, a: f"accept two replicas in one place: on {_chosen(w, a)}",
    Constraint.MODEL: _model,
    Constraint.MEMORY: _memory,
    Constraint.ISOLATION: _isolation,
    Constraint.NAMESPACE: lambda w, a: (
        f"give namespace `{w.workload.namespace}` there to `{w.workload.tenant}`"
        f" in the signed facts; {_chosen(w, a)} would do"
    ),
    Constraint.ATTACHED: lambda w, a: (
        f"name `{w.workload.tenant}` among the tenants of its volumes and networks there in the signed facts;"
        f" {_chosen(w, a)} would do"
    ),
    Constraint.PLACED: lambda w, a: f"place {_chosen(w, a)} in a rack at its cluster's site by a signed fact",
    Constraint.GEOGRAPHIC: _law("geographic"),
    Constraint.LEGAL: _law("legal"),
    Constraint.OPERATIONAL: _law("operational"),
    Constraint.KEY: _law("key"),
}
