"""A request answered: guaranteed, best effort, a counter-offer, or refused with reasons. Pure.

Called by the door (`placet offer`), the CLI and the catalogue. Guaranteed means: it fits now, within law and power, and
after each single loss that it asked to outlive all of it would have a second home, without taking anybody else's. An
offer reserves nothing; asked to reserve, it looks at that time and holds the change that would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from estate.changes import RepartitionAccelerator
from estate.errors import BadInput
from estate.ids import NodeId, SiteId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from policies import promises
from tools.placement import staging
from tools.placement.assurance import domains
from tools.placement.assurance.keeping import Keeper
from tools.placement.assurance.rehoming import Ground, lose
from tools.placement.assurance.reports import written
from tools.placement.offering import requests, reservations, timelines
from tools.placement.offering.answers import Counter, Grade, Offer, Place
from tools.placement.offering.cases import Case
from tools.placement.offering.explaining import explained
from tools.placement.offering.relaxations import Relaxed, relaxations
from tools.placement.offering.requests import NAME, Request
from tools.placement.offering.reservations import Window
from tools.placement.port import Ask, Engine, NoPlacement
from tools.placement.staging import Staged, Unstaged
from tools.placement.wishes import Wish

_MOST_COUNTERS = 3


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked, of which estate, and who answers."""

    engine: Engine
    keeper: Keeper
    snapshot: Snapshot
    request: Request
    now: datetime
    window: Window | None = None
    times: tuple[datetime, datetime] | None = None
    """From when to when, where it is to be reserved."""


def offer(
    engine: Engine,
    keeper: Keeper,
    snapshot: Snapshot,
    request: Request,
    now: datetime,
    window: Window | None = None,
) -> Offer:
    """What can be promised to whoever asks for this; `keeper` knows what is assured without it.

    Raises:
        BadInput: the request names what is not there; the message begins with the field.
    """
    columns = engine.columns_of(snapshot)
    workload = requests.pending(snapshot, columns, request, now)
    stages = (workload, *requests.feeders(columns, request, workload))
    if window is not None and len(stages) > 1:
        raise BadInput("fed_by: several stages are not reserved together; reserve each by a request of its own")
    if window is not None:
        reservations.check_workload(snapshot, window, request.tenant)
    times = reservations.span(window, request.deadline, now) if window is not None else None
    asked = _Asked(engine, keeper, snapshot, request, now, window, times)
    last: Unstaged | None = None
    for seen in _estates(asked):
        answer = _seated(asked, seen, stages, now)
        if isinstance(answer, Staged):
            return _offered(replace(asked, snapshot=seen), answer)
        last = answer
    assert last is not None, "there is an estate to look at"
    return _countered(asked, last, stages)


def _seated(asked: _Asked, seen: Snapshot, stages: Sequence[Workload], at: datetime) -> Staged | Unstaged:
    """All stages in one answer, or the one that finds no place."""
    estate = seen
    for stage in stages:
        estate = estate.with_workload(stage)
    asks = [Ask(s.id, tuple(range(s.replicas)), asked.request.sites, at=at) for s in stages]
    return staging.place(asked.engine, estate, asks) if len(stages) > 1 else _alone(asked.engine, estate, asks[0])


def _estates(asked: _Asked) -> Iterator[Snapshot]:
    """As it is; for a reservation as it will be, and then once work that may be moved has been."""
    if asked.times is None:
        yield asked.snapshot
        return
    yield timelines.during(asked.snapshot, *asked.times)
    yield timelines.during(asked.snapshot, *asked.times, moved=True)


def _alone(engine: Engine, estate: Snapshot, ask: Ask) -> Staged | Unstaged:
    """One workload that has no other stages."""
    answer = engine.place(estate, ask)
    if isinstance(answer, NoPlacement):
        return Unstaged(ask, estate, answer)
    return Staged({ask.workload: answer}, staging.seated(estate, ask, answer))


def _offered(asked: _Asked, staged: Staged) -> Offer:
    version, ceiling, estate = str(asked.snapshot.version), asked.request.cost_ceiling, staged.snapshot
    bindings = tuple(b for p in staged.placements.values() for b in p.bindings)
    cost = promises.hourly_cost(estate, bindings, asked.now)
    places = tuple(_staged_places(staged))
    if cost is not None and ceiling is not None and cost > ceiling:
        why = f"it costs {cost} of at most {ceiling} millionths of a US dollar an hour"
        counter = Counter(instead="accept that cost", places=places, micro_usd_per_hour=cost)
        return Offer(grade=Grade.COUNTER_OFFER, snapshot=version, because=(why,), counters=(counter,))
    gaps = tuple(_gaps(asked, estate, {b.node for b in bindings}, frozenset(staged.placements)))
    main, firm, seated = staged.placements[NAME], None, estate.workload(NAME)
    if asked.window is not None and asked.times is not None and seated is not None:
        firm = reservations.reservation(seated, bindings, asked.window, asked.times)
    return Offer(
        grade=Grade.BEST_EFFORT if gaps else Grade.GUARANTEED,
        snapshot=version,
        places=places,
        micro_usd_per_hour=cost,
        because=gaps,
        deliveries=main.deliveries,
        done=main.done,
        reservation=firm,
    )


def _stage(name: WorkloadId) -> str:
    return name.removeprefix(f"{NAME}-") if name != NAME else ""


def _later(asked: _Asked, stages: Sequence[Workload]) -> Iterator[Counter]:
    """The first time at which it would fit, by what is known to end."""
    start, end = asked.times or (asked.now, asked.request.deadline)
    for moment in timelines.moments(asked.snapshot, start):
        until = moment.at + (end - start) if asked.times is not None and end is not None else end
        if until is not None and until <= moment.at:
            return
        answer = _seated(asked, timelines.during(asked.snapshot, moment.at, until), stages, moment.at)
        if isinstance(answer, Staged):
            bindings = tuple(b for p in answer.placements.values() for b in p.bindings)
            yield Counter(
                instead=f"start at {moment.at:%FT%TZ}",
                places=tuple(_staged_places(answer)),
                micro_usd_per_hour=promises.hourly_cost(answer.snapshot, bindings, asked.now),
                start=moment.at,
                when=" and ".join(moment.ends),
            )
            return


def _staged_places(staged: Staged) -> Iterator[Place]:
    for name, found in staged.placements.items():
        yield from _places(staged.snapshot, found.bindings, _stage(name))


def _countered(asked: _Asked, last: Unstaged, stages: Sequence[Workload]) -> Offer:
    now, why, engine = asked.now, last.why, asked.engine
    stuck = last.snapshot.workload(last.ask.workload)
    assert stuck is not None, "every stage was put into the estate"
    case = Case(engine, Wish(last.snapshot, engine.columns_of(last.snapshot), last.ask, stuck))
    found = list(relaxations(case))
    theirs = [r for r in found if r.theirs]
    ours = [r for r in found if _recut(r) is not None and asked.times is None]
    told = explained(case)
    counters = (*_later(asked, stages), *(_counter(r, now) for r in (*theirs[:_MOST_COUNTERS], *ours)))
    return Offer(
        grade=Grade.COUNTER_OFFER if counters else Grade.REFUSED,
        snapshot=str(case.snapshot.version),
        because=tuple(p.needed for p in told.plainly),
        counters=counters,
        refusal=told,
        yields=why.preemption.yields if why.preemption is not None else (),
    )


def _counter(found: Relaxed, now: datetime) -> Counter:
    bindings = found.placement.bindings
    return Counter(
        instead=found.relaxation.plain or found.relaxation.says,
        places=_places(found.snapshot, bindings),
        micro_usd_per_hour=promises.hourly_cost(found.snapshot, bindings, now),
        change=_recut(found),
    )


def _recut(found: Relaxed) -> RepartitionAccelerator | None:
    """The cut of accelerators that it asks of the platform."""
    return next((c for c in found.relaxation.changes if isinstance(c, RepartitionAccelerator)), None)


def _gaps(asked: _Asked, after: Snapshot, nodes: set[NodeId], own_work: frozenset[WorkloadId]) -> Iterator[str]:
    """The losses after which it would have no second home, or others would have lost theirs to it.

    Nobody else can lose theirs but whose second home is in a rack where it would sit.
    """
    sorts = {domains.sort_of(word) for word in asked.request.outlives}
    racks = {r for n in nodes if (r := after.rack_of(n)) is not None}
    own = domains.around(after, nodes, sorts)
    known = {a.domain: a for a in asked.keeper.all(asked.snapshot, asked.now)}
    ground = Ground(after, asked.engine.columns_of(after), asked.now)
    for domain in sorted(own | {d for d in asked.keeper.resting_on(racks) if domains.sort_of(d.kind) in sorts}):
        homeless = {h.workload.id for h in lose(ground, domain, domains.nodes_in(after, domain)).homeless}
        already = {h.workload.id for h in known[domain].homeless} if domain in known else set()
        if own_work & homeless:
            yield f"no second home when {written(domain)} is lost"
        if homeless - own_work - already:
            yield f"it would take the second home of others when {written(domain)} is lost"


def _places(snapshot: Snapshot, bindings: Iterable[Binding], stage: str = "") -> tuple[Place, ...]:
    at: dict[SiteId | None, list[Binding]] = {}
    for binding in bindings:
        at.setdefault(snapshot.site_of(binding.node), []).append(binding)
    sites = sorted(at.items(), key=lambda p: p[0] or "")
    return tuple(_place(snapshot, site or SiteId(""), found, stage) for site, found in sites)


def _place(snapshot: Snapshot, site: SiteId, bindings: list[Binding], stage: str) -> Place:
    held = [m for b in bindings for m in _models(snapshot, b)]
    return Place(
        site=site,
        stage=stage,
        replicas=len(bindings),
        accelerators=len(held),
        models=tuple(sorted(set(held))),
        nodes=tuple(sorted({b.node for b in bindings})),
    )


def _models(snapshot: Snapshot, binding: Binding) -> list[str]:
    node = snapshot.node(binding.node)
    devices = node.accelerators if node is not None else ()
    return [a.model for a in devices if a.index in binding.accelerators]
