"""What is said to outlive a loss does: the loss is lived through, by rules written a second time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from estate.facilities.power import Feed, Redundancy
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import FeedId, NodeId, WorkloadId
from estate.itemkinds import State
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.units import Watts
from estate.workloads import Workload
from tests import builders
from tests.placement import estates, naive, supplied
from tools.placement.assurance import domains, reports
from tools.placement.assurance.domains import Sort
from tools.placement.assurance.keeping import Keeper
from tools.placement.assurance.rehoming import Aftermath
from tools.placement.engine import MaskEngine
from tools.placement.filling import build
from tools.placement.port import Ask, Placement


@st.composite
def promising(draw: st.DrawFn) -> FrozenEstate:
    """An estate whose work has found a home where there is one, half of it promised, and some of it in gangs."""
    estate, engine = draw(estates.estates(law_base=estates.roomy())), MaskEngine()
    for workload in list(estate.workloads()):
        gang = (builders.gang(f"gang-{workload.id}"),)
        gangs = draw(st.sampled_from([(), (), gang])) if workload.replicas > 1 else ()
        found = engine.place(estate, Ask(workload.id, tuple(range(workload.replicas))))
        if isinstance(found, Placement):
            home = estate.node(found.bindings[0].node)
            assert home is not None
            estate = estate.with_workload(
                workload.model_copy(update={"bindings": found.bindings, "cluster": home.cluster})
            )
        least = draw(st.sampled_from([0, 1, workload.replicas]))
        contract, seated = workload.contract.model_copy(update={"min_available": least}), estate.workload(workload.id)
        assert seated is not None
        estate = estate.with_workload(seated.model_copy(update={"contract": contract, "gangs": gangs}))
    return draw(supplied.supplied(estate)) if draw(st.booleans()) else estate


def struck(estate: Snapshot, lost: tuple[NodeId, ...]) -> Snapshot:
    """The estate once these nodes have failed."""
    for workload in {w.id: w for n in lost for w in estate.workloads_on(n)}.values():
        estate = estate.with_workload(workload.without([b for b in workload.bindings if b.node in lost]))
    for node in (n for name in lost if (n := estate.node(name)) is not None):
        estate = estate.with_node(node.model_copy(update={"health": Health.FAILED}))
    return estate


def settled(estate: Snapshot, found: Aftermath) -> Snapshot:
    """The estate in which everybody sits where they were told; a seat that breaks a rule fails the test."""
    for name, seats in found.homes.items():
        workload = estate.workload(name)
        assert workload is not None
        moving = {b.replica for b in seats}
        home = estate.node(seats[0].node)
        assert home is not None
        kept = tuple(b for b in workload.bindings if b.replica not in moving)
        workload = workload.model_copy(update={"bindings": kept, "cluster": home.cluster})
        for binding in seats:
            node = estate.node(binding.node)
            assert node is not None
            ask = Ask(name, tuple(moving))
            running = estate.with_workload(workload)
            # Any devices of the node that the rules allow: which ones was the engine's choice.
            there = naive._home((estate, running), workload, ask, node, binding.replica)
            assert there is not None, (found.domain, binding)
            workload = workload.model_copy(update={"bindings": (*workload.bindings, binding)})
        estate = estate.with_workload(workload)
    return estate


@settings(max_examples=10)
@given(promising())
def test_what_is_promised_outlives_a_loss_exactly_where_it_is_said_to(estate: FrozenEstate) -> None:
    members = domains.every(estate, Sort, [n.id for n in estate.nodes()])
    predicted = Keeper().all(estate)
    assert [a.domain for a in predicted] == list(members)
    for found in predicted:
        assert {*found.homes, *(h.workload.id for h in found.homeless)} == found.concerned
        after = settled(struck(estate, members[found.domain]), found)
        for lost in found.homeless:
            assert naive.place(after, Ask(lost.workload.id, lost.replicas)) is None, (found.domain, lost.workload.id)


@settings(max_examples=8)
@given(st.data())
def test_what_is_kept_current_is_what_a_look_from_nothing_finds(data: st.DataObject) -> None:
    estate, keeper = data.draw(promising()), Keeper()
    keeper.all(estate)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(n.id for n in estate.nodes()) or [NodeId("none")]))
        if estate.node(name) is not None:
            estate = estate.with_node(data.draw(estates.nodes(name)))
        gone = data.draw(st.sampled_from(sorted(w.id for w in estate.workloads())))
        found = estate.workload(gone)
        assert found is not None
        estate = estate.with_workload(found.without(found.bindings[:1]))
        estate = data.draw(supplied.stocked(estate)) if data.draw(st.booleans()) else estate
        keeper.follow(estate)
    assert verdicts(keeper.all(estate)) == verdicts(Keeper().all(estate))


def verdicts(found: tuple[Aftermath, ...]) -> dict[Ref, set[WorkloadId]]:
    """Who has no second home after each loss: where the others would go may differ."""
    return {a.domain: {h.workload.id for h in a.homeless} for a in found}


def full(name: str, node: str, **over: object) -> Workload:
    seats = (builders.binding(0, node, *range(8)),)
    contract = builders.contract(8, min_available=1)
    return builders.workload(name, **({"replicas": 1, "contract": contract, "bindings": seats} | over))


def test_two_that_would_need_the_same_second_home_are_told_of_where_they_fall_together() -> None:
    """One free node is a second home for each of them, and not for both."""
    nodes = [builders.node(f"eu-{r}") for r in ("a1", "a2", "b1")]
    estate = builders.estate(nodes=nodes, workloads=(full("one", "eu-a1"), full("two", "eu-a2")))
    keeper = Keeper()
    found = verdicts(keeper.all(estate))
    assert found[Ref("node", "eu-a1")] == found[Ref("node", "eu-a2")] == set()
    assert len(found[Ref("rack", "eu-a")]) == len(found[Ref("switch", "leaf-eu-a")]) == 1
    assert found[Ref("site", "eu-de")] == {"one", "two"} == found[Ref("entity", "eu-hosting")]
    told = reports.report(keeper, estate, builders.START)
    assert (told.promised, told.assured, told.losses["leaf"]) == (2, 0, 4)
    (gap,) = [g for u in told.without for g in u.gaps if g.lost == "rack/eu-a"]
    assert (gap.replicas, gap.left, gap.lacks) == (1, 0, "free accelerators on one node")
    own = reports.report(keeper, estate, builders.START, {told.without[0].tenant})
    assert "eu-" not in str(own.json_form()), "a tenant sees no rack"


def test_what_a_lost_node_drew_beyond_idle_is_there_for_its_second_home_and_not_a_watt_more() -> None:
    """Eight at 700 W beside two machines at 1 000 W; a failed machine still draws what it draws idle."""
    for watts, homeless in ((7_600, set[str]()), (7_599, {"one"})):
        law = builders.facts(racks=(builders.rack("eu-a", power_budget_watts=watts),))
        nodes = [builders.node(f"eu-{r}") for r in ("a1", "a2")]
        estate = builders.estate(law_base=law, nodes=nodes, workloads=(full("one", "eu-a1"),))
        assert verdicts(Keeper().all(estate))[Ref("node", "eu-a1")] == homeless


def test_a_second_home_is_lost_where_its_feed_fills_up_elsewhere_or_is_found_to_carry_less() -> None:
    """One feed carries three machines of 1 000 W and eight accelerators of 700 W, wherever they stand, and no more."""
    estate = builders.estate(
        nodes=[builders.node(n) for n in ("eu-a1", "eu-b1", "us-a1")], workloads=(full("one", "eu-a1"),)
    )

    def fed(watts: int) -> FrozenEstate:
        return estate.with_stock(estate.stock.with_(Feed(id=FeedId("a"), capacity_watts=Watts(watts))))

    far = builders.workload("far", cluster="us-1", replicas=1, bindings=(builders.binding(0, "us-a1", 0),))
    for after in (fed(8_600).with_workload(far), fed(8_599)):
        keeper = Keeper()
        assert verdicts(keeper.all(fed(8_600)))[Ref("node", "eu-a1")] == set()
        assert verdicts(keeper.all(after))[Ref("node", "eu-a1")] == {"one"}


def test_a_gang_begins_anew_as_a_whole_and_what_takes_its_chance_is_not_told_of() -> None:
    gang = (builders.gang("g"),)
    seats = (builders.binding(0, "eu-a1", *range(8)), builders.binding(1, "eu-a2", *range(8)))
    work = full("job", "eu-a1", replicas=2, bindings=seats, gangs=gang)
    nodes = [builders.node(f"eu-{r}") for r in ("a1", "a2", "b1")]
    found = {a.domain: a for a in Keeper().all(builders.estate(nodes=nodes, workloads=(work,)))}
    assert {b.replica for b in found[Ref("node", "eu-a1")].homes[WorkloadId("job")]} == {0, 1}
    lone = work.model_copy(update={"contract": builders.contract(8)})
    assert all(not a.concerned for a in Keeper().all(builders.estate(nodes=nodes, workloads=(lone,))))


def test_a_feed_whose_partner_lives_takes_nobody_with_it() -> None:
    def feed(name: str, partner: str, state: State) -> Feed:
        return Feed(
            id=FeedId(name), partner=FeedId(partner), redundancy=Redundancy.TWO_N, capacity_watts=Watts(1), state=state
        )

    estate = builders.estate()
    for partner, lost in ((State.OK, False), (State.FAILED, True)):
        stock = estate.stock.with_(feed("a", "b", State.OK)).with_(feed("b", "a", partner))
        assert bool(domains.nodes_in(estate.with_stock(stock), Ref("feed", "a"))) is lost
    assert len(domains.nodes_in(estate, Ref("feed", "a"))) == 16
    assert build(estate).ids == domains.nodes_in(estate, Ref("feed", "a"))
