"""A snapshot as a seating problem: who may move, where each may be by the engine's own masks, and what is left there.

What may move is taken off a copy of the estate first, so free devices, draw and neighbours are those of what stays. The
law is read by nobody here: a place is barred where a mask refuses it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from estate.ids import NodeId, TenantId, WorkloadId
from estate.law import Isolation
from estate.snapshots import Snapshot
from tools.placement import columns, filling, reserved
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints import facilities
from tools.placement.constraints.table import inside, standing
from tools.placement.constraints.tenancy import distance
from tools.placement.planning import seats
from tools.placement.planning.problems import AWAY, BARRED, BESIDE, NOWHERE, Problem
from tools.placement.planning.seats import Guest, Place
from tools.placement.port import Ask
from tools.placement.rooms import Room
from tools.placement.searching import any_of
from tools.placement.wishes import Wish

_LEVELS = {Isolation.SHARED_NODE: 0, Isolation.DEDICATED_NODE: BESIDE}
"""Any other keeps tenants in different racks; who may share a cluster is in the masks, and no move changes it."""
type Scorer = Callable[[Guest, Place], int]


@dataclass(frozen=True)
class Scene:
    """A problem with the names behind its numbers."""

    snapshot: Snapshot
    bare: Columns
    """The columns of the estate without its guests."""
    guests: tuple[Guest, ...]
    places: tuple[Place, ...]
    problem: Problem
    rows: int
    """Nodes that came into question, of which `places` are a choice."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a goal adds to a problem."""

    score: Scorer
    """What a guest scores at a place that is not its home; staying scores 0."""
    avoid: frozenset[NodeId] = frozenset()
    """Where nobody may go."""
    only: frozenset[NodeId] | None = None
    """Where alone anybody may go."""
    moves: int | None = None
    block: int = 0
    block_score: int = 0


def read(snapshot: Snapshot, guests: Sequence[Guest], terms: Terms) -> Scene:
    """The problem of seating these guests."""
    stripped = without(snapshot, guests)
    plain = filling.build(stripped)
    bare = reserved.withheld(stripped, plain, [g.workload for g in guests])
    fed = _fed(snapshot, stripped, plain, guests)
    allowed = {name: open_to & fed[name] for name, open_to in _allowed(stripped, bare, guests, terms).items()}
    rows = seats.rows(bare, guests, allowed)
    places = seats.places(bare, rows)
    homes = np.array([seats.home(g, bare, places) for g in guests], dtype=np.int64)
    score = np.stack([_scores(g, bare, places, allowed[g.workload.id], terms) for g in guests])
    housed = np.flatnonzero(homes >= 0)
    score[housed, homes[housed]] = 0
    problem = _problem(snapshot, bare, guests, places, terms, homes, score)
    came = int(np.logical_or.reduce([*allowed.values(), np.zeros(len(bare.ids), dtype=np.bool_)]).sum())
    return Scene(snapshot, bare, tuple(guests), places, problem, came)


def _scores(guest: Guest, bare: Columns, places: Sequence[Place], allowed: Flags, terms: Terms) -> Ints:
    """What a guest scores at each place, were it not its home."""
    open_to = (b for b, p in enumerate(places) if allowed[p.row] and seats.suits(bare, guest.workload, p))
    found = np.full(len(places), BARRED, dtype=np.int64)
    for b in open_to:
        found[b] = terms.score(guest, places[b])
    return found


def without(snapshot: Snapshot, guests: Iterable[Guest]) -> Snapshot:
    """The estate once all of them are pending; workloads that are only wished for are in it."""
    leaving: dict[WorkloadId, set[int]] = defaultdict(set)
    found = {g.workload.id: g.workload for g in guests}
    for guest in guests:
        leaving[guest.workload.id].add(guest.replica)
    for name, workload in found.items():
        kept = tuple(b for b in workload.bindings if b.replica not in leaving[name])
        snapshot = snapshot.with_workload(workload.model_copy(update={"bindings": kept}))
    return snapshot


def _allowed(stripped: Snapshot, bare: Columns, guests: Sequence[Guest], terms: Terms) -> dict[WorkloadId, Flags]:
    """Of each workload, the nodes that no standing mask refuses."""
    found: dict[WorkloadId, Flags] = {}
    for guest in guests:
        name = guest.workload.id
        if name in found:
            continue
        replicas = tuple(range(guest.workload.replicas)) if guest.across else (guest.replica,)
        workload = stripped.workload(name)
        assert workload is not None, "the stripped estate has every guest's workload"
        wish = Wish(stripped, bare, Ask(name, replicas, avoid=terms.avoid), workload)
        masks = standing(wish) | inside(wish, Room(wish), None)
        found[name] = ~any_of(masks, len(bare.ids))
        if not guest.across:
            found[name] &= bare.cluster == _position(bare.names.clusters, workload.cluster)
        if terms.only is not None:
            found[name] &= np.array([n in terms.only for n in bare.ids], dtype=np.bool_)
    return found


def _fed(snapshot: Snapshot, stripped: Snapshot, plain: Columns, guests: Sequence[Guest]) -> dict[WorkloadId, Flags]:
    """Of each workload, the nodes where what feeds and cools the rack has room for a replica, were it the only one."""
    base = reserved.spoken_for(snapshot, plain.names)
    found: dict[WorkloadId, Flags] = {}
    for guest in guests:
        name, workload = guest.workload.id, stripped.workload(guest.workload.id)
        if name not in found and workload is not None:
            wish = Wish(stripped, plain, Ask(name, (guest.replica,)), workload, base=base)
            found[name] = ~any_of(facilities.moving(wish, Room(wish), None), len(plain.ids))
    return found


def _position[V](names: Sequence[V], name: V) -> int:
    return names.index(name) if name in names else NOWHERE


def _problem(  # noqa: PLR0913, PLR0917 - the parts of one thing
    snapshot: Snapshot,
    bare: Columns,
    guests: Sequence[Guest],
    places: Sequence[Place],
    terms: Terms,
    homes: Ints,
    score: Ints,
) -> Problem:
    units = np.array([g.workload.contract.accelerators_per_replica for g in guests], dtype=np.int64)
    watts = np.array([_watts(g) for g in guests], dtype=np.int64)
    rows = np.array([p.row for p in places], dtype=np.int64)
    racks = bare.rack[rows]
    racks = np.where(racks >= 0, racks, len(bare.names.racks) + np.arange(len(places)))
    room = np.array([len(p.slots) for p in places], dtype=np.int64)
    held = np.bincount(homes[homes >= 0], weights=units[homes >= 0], minlength=len(places)).astype(np.int64)
    tenants = sorted({g.workload.tenant for g in guests})
    party = np.array([tenants.index(g.workload.tenant) for g in guests], dtype=np.int64)
    return Problem(
        units=units,
        watts=watts,
        party=party,
        crew=_numbered([_crew(g) for g in guests]),
        flock=_numbered([g.workload.id if g.across else (g.workload.id, g.replica) for g in guests]),
        home=homes,
        score=score,
        room=np.maximum(room, held),
        host=rows,
        rack=racks,
        side=bare.cluster[rows],
        headroom=_headroom(bare, homes, watts, racks),
        apart=_apart(snapshot, tenants, homes, party, (rows, racks)),
        moves=terms.moves,
        block=terms.block,
        block_score=terms.block_score,
        blocks_in=(~bare.cordoned & bare.fit & _untainted(bare))[rows],
    )


def _watts(guest: Guest) -> int:
    return guest.workload.contract.accelerators_per_replica * guest.workload.watts_per_accelerator


def _untainted(bare: Columns) -> Flags:
    return np.array([not t for t in bare.taints] or [True], dtype=np.bool_)[bare.taint]


def _crew(guest: Guest) -> object:
    """A gang; replicas that are counted, which all begin anew when one moves; else each by itself."""
    gang = guest.workload.gang_of(guest.replica)
    if gang is not None:
        return gang
    return guest.workload.id if guest.workload.counted and guest.binding else (guest.workload.id, guest.replica)


def _numbered(keys: Sequence[object]) -> Ints:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(k, len(numbers)) for k in keys], dtype=np.int64)


def _headroom(bare: Columns, homes: Ints, watts: Ints, racks: Ints) -> Ints:
    """What guests may draw in each rack: at least what those draw who are there now, so that staying is always open."""
    known = len(bare.names.racks)
    left = np.full(known + len(racks), columns.UNCAPPED, dtype=np.int64)
    left[:known] = bare.rack_budget - bare.rack_drawn
    now = np.zeros_like(left)
    seated = homes >= 0
    np.add.at(now, racks[homes[seated]], watts[seated])
    return np.maximum(left, now)


def _apart(snapshot: Snapshot, tenants: Sequence[TenantId], homes: Ints, party: Ints, at: tuple[Ints, Ints]) -> Ints:
    """How far tenants must be from each other; nought where they stand too close already, so that staying is open."""
    facts = snapshot.facts.tenant
    found = np.zeros((len(tenants), len(tenants)), dtype=np.int64)
    for i, one in enumerate(tenants):
        for j, other in enumerate(tenants):
            mine, theirs = facts.get(one) or facts.get(other), facts.get(other) if one in facts else None
            if i != j:
                found[i, j] = AWAY if mine is None else _LEVELS.get(distance(mine, theirs), AWAY)
    seated = np.flatnonzero(homes >= 0)
    for level, where in ((BESIDE, at[0]), (AWAY, at[1])):
        for spot in np.unique(where[homes[seated]]):
            here = np.unique(party[seated[where[homes[seated]] == spot]])
            close = found[np.ix_(here, here)]
            found[np.ix_(here, here)] = np.where(close >= level, level - 1, close)
    return found
