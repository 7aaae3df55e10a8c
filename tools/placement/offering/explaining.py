"""Why a workload waits: what refuses it where, in figures, and every single change that would let it in. Pure.

Called by the door (`placet why`), the CLI and the catalogue. People of the platform read nodes, racks and watts; the
holder of the contract reads the same in the contract's own words, and learns of no other tenant and of no rack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice

import numpy as np

from estate.errors import BadInput
from estate.ids import SiteId, TenantId, WorkloadId
from estate.records import Model, later
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement import asking
from tools.placement.columns import Flags
from tools.placement.constraints.kinds import AXES, Constraint, Masks
from tools.placement.constraints.rules import Refused
from tools.placement.constraints.table import RULES
from tools.placement.offering.cases import Case
from tools.placement.offering.relaxations import Relaxation, relaxations
from tools.placement.port import Ask, Engine, Miss, NoPlacement, Reason
from tools.placement.reasons import by_node, explain
from tools.placement.rooms import Room
from tools.placement.searching import search
from tools.placement.wishes import Wish

_MOST_HELP = 8
_MOST_SAID = 3
_HARDEST = (*AXES.values(), *(c for c in reversed(Constraint) if c not in AXES.values()))


class Plainly(Model):
    """One obstacle in the contract's own words."""

    needed: str
    share_percent: int
    """Of the places there are, how many it rules out, in tens."""
    of: TenantId | None = later()
    """Whose name is in it: of somebody above the holder of the contract, whose quota it is."""
    unnamed: str = later("")
    """The same without that name."""

    def seen_by(self, tenants: Collection[TenantId]) -> Plainly:
        """As somebody reads it who may know of these tenants."""
        if self.of is None or self.of in tenants:
            return self
        return Plainly(needed=self.unnamed, share_percent=self.share_percent)


class Home(Model):
    """Where one replica would run now."""

    replica: int
    node: str
    accelerators: tuple[int, ...]


class Explanation(Model):
    """Why some replicas wait, or where they would run now."""

    workload: WorkloadId
    tenant: TenantId
    waiting: tuple[int, ...]
    """The replicas that have no node."""
    fits: bool
    """Whether all of them would fit now: then whoever binds them is behind, or has not tried again."""
    homes: tuple[Home, ...] = ()
    nodes: int = 0
    """How many there are."""
    reasons: tuple[Reason, ...] = ()
    by_node: tuple[Miss, ...] = ()
    """Where it was asked for: the same of each node."""
    plainly: tuple[Plainly, ...] = ()
    """The same for the holder of the contract."""
    helps: tuple[Relaxation, ...] = ()
    """Every single change that was found to let all of them in."""
    nearest: str = ""
    """Where no single change does: what comes closest."""

    def for_tenant(self, sees: Collection[TenantId] = ()) -> Explanation:
        """What its holder may read: no rack, no node, no other tenant than those that they see anyway."""
        mine = tuple(r.model_copy(update={"says": r.plain}) for r in self.helps if r.plain)
        return self.model_copy(
            update={
                **{"homes": (), "nodes": 0, "reasons": (), "by_node": (), "helps": mine, "nearest": ""},
                "plainly": tuple(dict.fromkeys(p.seen_by(sees) for p in self.plainly)),
            }
        )


def pending(
    engine: Engine,
    snapshot: Snapshot,
    name: WorkloadId,
    sites: Iterable[SiteId] = (),
    at: datetime | None = None,
    *,
    each_node: bool = False,
) -> Explanation:
    """Why the replicas of a workload wait; on a large fleet `each_node` is as many lines as it has nodes, and more.

    Raises:
        BadInput: there is no such workload, or no such site.
    """
    workload, wanted = _workload(snapshot, name), tuple(sites)
    asking.check_sites(snapshot, wanted)
    bound = {b.replica for b in workload.bindings}
    waiting = tuple(r for r in range(workload.replicas) if r not in bound)
    ask = Ask(name, waiting, wanted, at=at)
    return explained(Case(engine, Wish(snapshot, engine.columns_of(snapshot), ask, workload)), each_node=each_node)


def explained(case: Case, *, each_node: bool = False) -> Explanation:
    """Why the replicas that are asked for have no home, or which they would have."""
    workload, wish = case.workload, case.wish
    told = Explanation(workload=workload.id, tenant=workload.tenant, waiting=tuple(case.ask.replicas), fits=True)
    if not case.ask.replicas:
        return told
    attempt = search(wish)
    if attempt.complete:
        homes = tuple(Home(replica=b.replica, node=b.node, accelerators=b.accelerators) for b in attempt.bindings)
        return told.model_copy(update={"homes": homes, "nodes": len(wish.columns.ids)})
    helps = tuple(r.relaxation for r in islice(relaxations(case), _MOST_HELP))
    answer, room = case.engine.place(case.snapshot, case.ask), attempt.room or Room(wish)
    return told.model_copy(
        update={
            "fits": False,
            "nodes": len(wish.columns.ids),
            "reasons": explain(wish, attempt.last, room),
            "by_node": tuple(by_node(wish, attempt.last, room)) if each_node else (),
            "plainly": tuple(plainly(wish, attempt.last, room)),
            "helps": helps,
            "nearest": answer.nearest if isinstance(answer, NoPlacement) and not helps else "",
        }
    )


def in_plain_words(engine: Engine, snapshot: Snapshot, ask: Ask, _answer: NoPlacement) -> str:
    """Why what is asked for has no home, in a line for whoever holds the contract."""
    workload = snapshot.workload(ask.workload)
    assert workload is not None, "it was asked for"
    found = explained(Case(engine, Wish(snapshot, engine.columns_of(snapshot), ask, workload))).for_tenant()
    helps = " or ".join(h.says for h in found.helps[:_MOST_SAID])
    needed = "; ".join(p.needed for p in found.plainly)
    return f"needed and not found: {needed}{f'; it would fit if you {helps}' if helps else ''}"


def plainly(wish: Wish, masks: Masks, room: Room) -> Iterator[Plainly]:
    """The few obstacles that explain every place that is ruled out, the hardest first.

    What alone keeps it from some place is among them; of the others, whatever explains most of what is left.
    """
    order = [c for c in _HARDEST if c in masks and masks[c].any()]
    if not order:
        return
    refusing = np.stack([masks[c] for c in order])
    told = (refusing & (refusing.sum(axis=0) == 1)).any(axis=1)
    left = refusing.any(axis=0) & ~refusing[told].any(axis=0)
    while left.any():
        told[int((refusing & left).sum(axis=1).argmax())] = True
        left &= ~refusing[told].any(axis=0)
    for position in np.flatnonzero(told):
        yield from _plain(Refused(wish, refusing[position], room), order[position])


def _plain(by: Refused, constraint: Constraint) -> Iterator[Plainly]:
    rule, share = RULES[constraint], _tens(by.refused)
    if rule.plainly is None:
        yield Plainly(needed=rule.plain, share_percent=share)
        return
    for said in rule.plainly(by):
        yield Plainly(needed=said.says, share_percent=share, of=said.of, unnamed=rule.plain if said.of else "")


def _tens(refused: Flags) -> int:
    """Rounded to tens: how large the fleet is, is nobody's business but the platform's."""
    return max(10, round(10 * float(refused.mean())) * 10)


def _workload(snapshot: Snapshot, name: WorkloadId) -> Workload:
    found = snapshot.workload(name)
    if found is None:
        raise BadInput(f"workload: no workload `{name}`; see `placet get workloads`")
    return found
