"""Answers of the placement engine, cut to what the caller may see: what is assured, what if, why, what could be had.

A tenant is told of their own work in the contract's words. Every question is a scan or a search, and so is answered in
a thread of its own; the columns and the assurance are kept from one question to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from console.door.commands import Assured, FleetReported, OfferAsked, Supposed, Why, WouldPlace
from console.door.desk import NotFound
from console.door.views import Sight
from estate.canonical import Json
from estate.clocks import Clock
from estate.ids import WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from policies.profiles import Ceiling
from tools.placement import staging
from tools.placement.assurance import domains, reports
from tools.placement.assurance.keeping import Keeper
from tools.placement.engine import MaskEngine
from tools.placement.fleets import accounts
from tools.placement.offering import explaining, offers
from tools.placement.port import Ask, NoPlacement
from tools.placement.supposing.settling import suppose

type PlacementAsked = Assured | Supposed | Why | WouldPlace | OfferAsked | FleetReported


class Placing:
    """Answers from the newest snapshot. Any thread may ask."""

    def __init__(
        self,
        newest: Callable[[], Snapshot],
        clock: Clock,
        past: Callable[[datetime], Snapshot | None] = lambda _: None,
        ceilings: tuple[Ceiling, ...] = (),
    ) -> None:
        """`past` tells how the estate was at a time, as long as that is held; `ceilings` are the house's own."""
        self._newest, self._clock, self._past = newest, clock, past
        self._engine = MaskEngine(ceilings=ceilings)
        self._keepers: dict[frozenset[domains.Sort], Keeper] = {}

    def answer(self, sight: Sight, question: PlacementAsked) -> Json:
        """The answer. Raises NotFound, BadInput, RetryLater."""
        match question:
            case Assured():
                return self._assured(sight, question)
            case Supposed():
                return suppose(self._newest(), question.supposed, self._engine, self._clock()).json_form()
            case Why():
                return self._why(sight, question)
            case WouldPlace():
                return self._place(sight, question)
            case OfferAsked():
                return self._offer(sight, question)
            case FleetReported():
                return self._report(question)
            case unreachable:
                assert_never(unreachable)

    def _report(self, question: FleetReported) -> Json:
        found = accounts.report(self._engine, self._newest(), question.site, with_worth=question.worth)
        if question.hours:
            held, booked = accounts.over(self._engine, self._past, self._clock(), question.hours, question.site)
            update = {"hours": question.hours, "held_minutes": held, "booked_minutes": booked}
            found = found.model_copy(update=update)
        return found.json_form()

    def _assured(self, sight: Sight, question: Assured) -> Json:
        keeper = self._keeper(frozenset(domains.sort_of(w) for w in question.losses) or frozenset(domains.Sort))
        sees = None if sight.everything else sight.tenants
        return reports.report(keeper, self._newest(), self._clock(), sees).json_form()

    def _why(self, sight: Sight, question: Why) -> Json:
        snapshot = self._newest()
        self._seen(snapshot, sight, question.workload)
        each, sites = question.each_node and sight.everything, question.sites
        found = explaining.pending(self._engine, snapshot, question.workload, sites, self._clock(), each_node=each)
        if sight.everything and not question.plainly:
            return found.json_form()
        return found.for_tenant(() if sight.everything else sight.tenants).json_form()

    def _place(self, sight: Sight, question: WouldPlace) -> Json:
        snapshot = self._newest()
        workload = self._seen(snapshot, sight, question.workload)
        bound = {b.replica for b in workload.bindings}
        every = range(workload.replicas)
        wanted = question.replicas or tuple(r for r in every if r not in bound) or tuple(every)
        explaining.check_sites(snapshot, question.sites)
        at = self._clock()
        ask = Ask(workload.id, tuple(sorted(set(wanted))), question.sites, frozenset(question.avoid), at)
        answer = staging.answer(self._engine, snapshot, ask)
        if isinstance(answer, NoPlacement) and not sight.everything:
            told = explaining.pending(self._engine, snapshot, workload.id, question.sites, at).for_tenant(sight.tenants)
            return {"fits": False, **told.json_form()}
        if not sight.everything and not isinstance(answer, NoPlacement):
            sites = sorted({str(snapshot.site_of(b.node) or "") for b in answer.bindings})
            return {"fits": True, "workload": workload.id, "replicas": [*ask.replicas], "sites": [*sites]}
        return {"fits": not isinstance(answer, NoPlacement), "workload": workload.id, **answer.json_form()}

    def _offer(self, sight: Sight, question: OfferAsked) -> Json:
        if not sight.of_tenant(question.request.tenant):
            raise NotFound(f"no tenant `{question.request.tenant}`; see `placet get tenants`")
        keeper = self._keeper(frozenset(domains.sort_of(w) for w in question.request.outlives))
        found = offers.offer(self._engine, keeper, self._newest(), question.request, self._clock(), question.window)
        return (found if sight.everything else found.for_tenant(sight.tenants)).json_form()

    def _seen(self, snapshot: Snapshot, sight: Sight, name: WorkloadId) -> Workload:
        found = snapshot.workload(name)
        if found is None or not sight.of_tenant(found.tenant):
            raise NotFound(f"no workload `{name}`; see `placet get workloads`")
        return found

    def _keeper(self, sorts: frozenset[domains.Sort]) -> Keeper:
        return self._keepers.setdefault(sorts, Keeper(sorts))
