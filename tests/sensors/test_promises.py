"""`contract.breached` of a place: told once while a promise is broken there, resolved once it is kept again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agents.cases.placing import place
from agents.minds.plans import NoPlan, Plan, Rehome
from agents.minds.runbook import Runbook
from estate.changes import MoveWorkload
from estate.frozen import FrozenEstate
from estate.ids import ContractId, WorkloadId
from estate.itemkinds import State
from estate.machines import LinkState
from estate.observations import EventType, Severity
from estate.stock import Stock
from estate.terms import Pace, Supply
from estate.uses.promises import Contract
from estate.workloads import Span, Workload
from tests import builders
from tests.agents.test_minds import briefing
from tests.placement.pledged import WAN, feed, line, ups
from tests.sensors.series import Series
from tools.placement.engine import MaskEngine
from tools.sensors.promises import Promises

LINE = line("site/eu-de", "site/us-east")


def serving(*nodes: str, replicas: int = 0, **terms: Any) -> Workload:
    """Replicas of one accelerator on these nodes."""
    bindings = tuple(builders.binding(r, node, 0) for r, node in enumerate(nodes))
    contract = builders.contract(1, **terms)
    return builders.workload("serve", replicas=replicas or len(nodes), contract=contract, bindings=bindings)


def watching(workload: Workload, *items: Any, **over: Any) -> Series:
    """Nothing else runs, and only promises are watched."""
    estate = builders.estate(workloads=(workload,)).with_stock(Stock.of((WAN, *items)))
    return Series(estate, {"promises": Promises(**over)}).begin()


def test_users_that_a_line_no_longer_reaches_are_told_of_once_and_resolved_once() -> None:
    series = watching(serving("eu-a1", latency=30, users=("us-east",)), LINE)
    series.wait(600, 10)
    series.put(LINE.model_copy(update={"used": LINE.capacity}))
    assert series.looked == 0, "how much of a line is used says nothing of how long it is"
    series.put(LINE.model_copy(update={"state": LinkState.DOWN}))
    series.wait(100, 10)
    assert series.told == []
    series.wait(600, 10)
    (raised,) = series.told
    assert (raised.type, raised.code, raised.severity) == (
        EventType.CONTRACT_BREACHED,
        "promise-latency",
        Severity.WARNING,
    )
    assert raised.message == "workload/serve was promised 30 ms to users in us-east: nobody knows the way (eu-a1)"
    assert raised.whereabouts.workload == "serve"
    series.put(LINE)
    series.wait(300, 10)
    assert (series.raised("promise-latency"), series.cleared("promise-latency")) == (1, 1)


def test_batteries_a_hand_and_a_contract_beside_it_break_promises_as_well() -> None:
    series = watching(serving("eu-a1", "eu-b1", spread=Span.RACK, supply=Supply.BUFFERED), feed("a"), ups("a"))
    estate = series.estate
    feeds = {r.power_feed for r in estate.facts.racks}
    series.put(*(feed(name) for name in feeds), *(ups(name) for name in feeds))
    series.wait(600, 10)
    assert series.raised("promise-supply") == series.cleared("promise-supply")
    before = series.raised("promise-supply")
    series.put(*(ups(name, state=State.FAILED) for name in feeds))
    series.put(serving("eu-a1", "eu-a2", spread=Span.RACK, supply=Supply.BUFFERED))
    series.wait(300, 10)
    assert (series.raised("promise-supply"), series.raised("promise-spread")) == (before + 1, 1)
    promised = builders.contract(0, latency=5, users=("us-east",))
    series.put(Contract(id=ContractId("c"), workload=WorkloadId("serve"), promised=promised))
    series.wait(300, 10)
    assert series.raised("promise-latency") == 1
    series.put(serving("eu-a1"))
    series.wait(300, 10)
    assert series.cleared("promise-spread") == 1


def test_a_deadline_is_told_of_as_soon_as_it_cannot_be_met() -> None:
    terms = {"deadline": builders.START + timedelta(hours=2), "paces": (Pace(run_time=3_600),)}
    series = watching(serving(replicas=1, **terms))
    series.wait(3_540, 60)
    assert series.told == []
    series.wait(120, 60)
    (raised,) = series.told
    assert raised.message == "workload/serve cannot be done by its deadline: its run takes 3600 s, and it still waits"
    series.put(serving(replicas=1, paces=terms["paces"]))
    series.wait(60, 10)
    assert series.cleared("promise-deadline") == 1


def test_a_look_costs_the_same_however_many_were_promised_something() -> None:
    at_once = 2
    others = [serving("eu-a1", latency=30, users=("us-east",)).model_copy(update={"id": f"w{n}"}) for n in range(7)]
    series = watching(serving("eu-a1"), LINE, at_once=at_once)
    for other in others:
        series.put(other)
    series.wait(10)
    series.put(LINE.model_copy(update={"state": LinkState.DOWN}))
    looked = []
    for _ in range(5):
        series.wait(1)
        looked.append(series.looked)
    assert max(looked) == at_once
    series.wait(300, 1)
    assert series.raised("promise-latency") == len(others)


def estate_with(workload: Workload) -> FrozenEstate:
    return builders.estate(workloads=(workload,))


async def test_the_runbook_moves_what_stands_where_a_promise_is_broken_and_leaves_the_rest() -> None:
    estate = estate_with(serving("eu-a1", "eu-a2", spread=Span.RACK))
    where = builders.event().place.model_copy(update={"node": None, "rack": None, "accelerator": None})
    where = where.model_copy(update={"workload": "serve"})
    told = builders.event(type=EventType.CONTRACT_BREACHED, code="promise-spread", place=where)
    brief = briefing(told, estate=estate)
    plan = await Runbook().plan(brief, await Runbook().diagnose(brief))
    assert isinstance(plan, Plan), plan
    assert plan.aims == (Rehome(workload=WorkloadId("serve")),)
    found = place(plan, estate, MaskEngine(), builders.START)
    moves = [m for c in found.changes if isinstance(c, MoveWorkload) for m in c.moves]
    after = {b.replica: b.node for b in serving("eu-a1", "eu-a2").bindings} | {m.replica: m.target for m in moves}
    assert len({estate.rack_of(n) for n in after.values() if n is not None}) == 2
    assert 0 < len(moves) <= 2
    kept = place(plan, estate_with(serving("eu-a1", "eu-b1", spread=Span.RACK)), MaskEngine(), builders.START)
    assert (kept.changes, "is kept where it stands" in kept.unplaced[0]) == ((), True)
    late = builders.event(type=EventType.CONTRACT_BREACHED, code="promise-deadline", place=where)
    brief = briefing(late, estate=estate)
    assert isinstance(await Runbook().plan(brief, await Runbook().diagnose(brief)), NoPlan)
