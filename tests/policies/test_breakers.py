"""Breakers: by rate and level, for every sort of failure domain, over all that is under way and was decided of late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from estate import effects
from estate.changes import (
    Change,
    CopyWorkload,
    EvictPod,
    ReleaseCapacity,
    RemoveWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
    adapter,
)
from estate.hardware import Taint, TaintEffect
from estate.ids import ExecutorId, NodeId
from estate.results import Ok
from estate.units import PerMille, Watts
from estate.verdicts import Decision, Dimension
from policies import domains
from policies.domains import FLEET, Sort
from policies.gate import Gate
from policies.ledger.memory import MemoryLedger
from policies.profiles import Breaker, Profile
from policies.recents import Recents
from policies.signing.memory import MemorySigner
from tests import builders, pooled
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, estate, facts, proposal, rack
from tests.partitioned import repartition
from tests.policies.asking import (
    COPY_A_ABROAD,
    MOVE_A,
    cordon,
    drain,
    enrolments,
    evict,
    move,
    orders,
    remove,
    scale,
    verdict,
)
from tests.policies.houses import bounded, did, failing, house
from tests.reserved import reserve, seat

FAULT = Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE)
LEAF = "leaf-eu-a"
DOMAINS = {
    Sort.ACCELERATOR: "eu-a1/0",
    Sort.NVLINK_DOMAIN: "eu-a1-nvl",
    Sort.NODE: "eu-a1",
    Sort.RACK: "eu-a",
    Sort.POWER_FEED: "a",
    Sort.LEAF_SWITCH: LEAF,
    Sort.SITE: "eu-de",
    Sort.TENANT: "tenant-a",
    Sort.FLEET: "fleet",
}


@pytest.mark.parametrize("sort", list(Sort))
def test_what_was_disturbed_too_often_is_left_alone(sort: Sort) -> None:
    """Each alone, whatever moved: two changes are the most, one was made before, and the second is the last."""
    asked = move("a-serve", (0, "eu-a1", "eu-b2", (0, 1)))
    law = bounded(of=sort, changes=2)
    before: dict[str, Any] = {"recent": {(sort, DOMAINS[sort]): 1}}
    assert verdict(asked, bundle=law, standing=before).decision is Decision.PERMIT
    found = failing(asked, bundle=law, standing={"recent": {(sort, DOMAINS[sort]): 2}})
    assert set(found) == {"breaker-rate"}
    assert f"3 at {sort.value} {DOMAINS[sort]}, where 2 are the most" in found["breaker-rate"]
    elsewhere: dict[str, Any] = {"recent": {(sort, "another"): 9}}
    assert verdict(asked, bundle=law, standing=elsewhere).decision is Decision.PERMIT


@pytest.mark.parametrize("sort", list(Sort))
def test_what_is_changed_already_is_not_changed_at_once(sort: Sort) -> None:
    asked = move("a-serve", (0, "eu-a1", "eu-b2", (0, 1)))
    busy: dict[str, Any] = {"at_once": {(sort, DOMAINS[sort]): 1}}
    assert set(failing(asked, bundle=bounded(of=sort, at_once=1), standing=busy)) == {"breaker-at-once"}
    assert verdict(asked, bundle=bounded(of=sort, at_once=2), standing=busy).decision is Decision.PERMIT


DISTURBING: list[tuple[Change, set[Sort]]] = [
    (cordon("eu-a1"), {Sort.NVLINK_DOMAIN, Sort.NODE, Sort.RACK, Sort.POWER_FEED, Sort.LEAF_SWITCH, Sort.SITE}),
    (TaintNode(node=NodeId("eu-a1"), taint=FAULT), {Sort.NODE, Sort.RACK, Sort.SITE}),
    (SetPowerCap(node=NodeId("eu-a1"), watts=Watts(5_000)), {Sort.NODE, Sort.RACK, Sort.POWER_FEED}),
    (repartition("eu-a3"), {Sort.NVLINK_DOMAIN, Sort.NODE, Sort.RACK, Sort.POWER_FEED, Sort.LEAF_SWITCH, Sort.SITE}),
    (drain("eu-a1"), {Sort.ACCELERATOR, Sort.NODE, Sort.RACK, Sort.TENANT}),
    (evict("a-serve", 0, "eu-a1"), {Sort.ACCELERATOR, Sort.NVLINK_DOMAIN, Sort.NODE, Sort.TENANT}),
    (MOVE_A, {Sort.ACCELERATOR, Sort.NVLINK_DOMAIN, Sort.NODE, Sort.RACK, Sort.TENANT}),
    (COPY_A_ABROAD, {Sort.NODE, Sort.RACK, Sort.SITE}),
    (remove("a-serve", "c-batch"), {Sort.NODE, Sort.TENANT, Sort.SITE}),
    (scale("a-serve", 0), {Sort.ACCELERATOR, Sort.TENANT, Sort.SITE}),
    (scale("a-serve", 4), {Sort.TENANT, Sort.SITE}),
    (reserve("a-night", "tenant-a", seat("eu-b2", 0)), {Sort.TENANT, Sort.SITE}),
    (pooled.scale(4), {Sort.FLEET}),
]


@pytest.mark.parametrize(("change", "sorts"), DISTURBING, ids=lambda v: getattr(v, "kind", ""))
def test_every_kind_of_change_that_disturbs_counts(change: Change, sorts: set[Sort]) -> None:
    """Many small changes are one large one, whatever they are called."""
    shut = isinstance(change, EvictPod)
    before = estate().with_node(builders.node("eu-a1", cordoned=True)) if shut else estate()
    result = None if isinstance(change, RemoveWorkload | CopyWorkload) else effects.effect(change, before)
    found = domains.disturbed(change, before, result.value if isinstance(result, Ok) else None)
    assert sorts <= {sort for sort, _ in found}
    assert FLEET in found


def test_no_kind_of_change_is_forgotten() -> None:
    """A new kind counts somewhere, or says here that it gives back what others took."""
    kinds = set(adapter.json_schema()["discriminator"]["mapping"])
    giving_back = {UncordonNode.__name__, UntaintNode.__name__, ReleaseCapacity.__name__}
    objects = {"ApplyManifest", "DeleteObject"}
    assert kinds == {c.kind for c, _ in DISTURBING} | giving_back | objects
    lifted = UncordonNode(node=NodeId("eu-a1"))
    assert domains.disturbed(lifted, estate()) == frozenset()


def test_a_share_of_what_hangs_on_a_feed_or_a_leaf_is_the_most_that_is_fenced() -> None:
    """The nodes of a feed stand in several racks, none of which is anywhere near its own level."""
    racks = tuple(rack(r, power_feed=f"{r[:2]}-feed") for r in ("eu-a", "eu-b", "us-a", "us-b"))
    fenced = {"eu-a1", "eu-b1"}
    nodes = [n.model_copy(update={"cordoned": n.id in fenced}) for n in builders.default_nodes()]
    on = estate(law_base=facts(racks=racks), nodes=nodes)
    law = house(breakers=(Breaker(of=Sort.POWER_FEED, fenced=PerMille(250)), Breaker(of=Sort.SITE)))
    found = failing(cordon("eu-a2"), on=on, bundle=law)
    assert set(found) == {"breaker-group"}
    assert "power-feed/eu-feed: at most 2 of 8 nodes fenced" in found["breaker-group"]
    one = house(breakers=(Breaker(of=Sort.LEAF_SWITCH, fenced=PerMille(300)), Breaker(of=Sort.SITE)))
    assert set(failing(cordon("eu-a2"), on=on, bundle=one)) == {"breaker-group"}


def test_a_fence_that_is_lifted_counts_for_nothing() -> None:
    on = estate().with_node(builders.node("eu-a1", cordoned=True))
    law, late = bounded(of=Sort.NODE, changes=1), {"recent": {(Sort.NODE, "eu-a1"): 99}}
    assert verdict(UncordonNode(node=NodeId("eu-a1")), on=on, bundle=law, standing=late).decision is Decision.PERMIT


def test_an_old_minute_falls_out_of_the_window_and_a_young_one_stays() -> None:
    recents = Recents(timedelta(minutes=60))
    once = did(cordon("eu-a1"))
    for minute in range(90):
        recents.add(START + timedelta(minutes=minute), once)
    recents.forget(START + timedelta(minutes=90))
    assert recents.counts[Sort.NODE, "eu-a1"] == 60
    recents.forget(START + timedelta(minutes=200))
    assert not recents.counts


# -- at the gate, over proposals


PACED = Profile(within_minutes=60, breakers=(Breaker(of=Sort.RACK, changes=2), Breaker(of=Sort.SITE)))


def gate(ledger: MemoryLedger, clock: TestClock) -> Gate:
    """A gate that lets a rack be disturbed twice an hour."""
    return Gate(
        installation=INSTALLATION,
        ledger=ledger,
        signer=MemorySigner.generate(TestEntropy("gate")),
        bundle=house(**{f: getattr(PACED, f) for f in ("within_minutes", "breakers")}),
        newest=estate,
        controls=orders(),
        enrolments=enrolments(clock=clock),
        clock=clock,
        entropy=TestEntropy(),
        audience=lambda clusters: ExecutorId("twin-1"),
    )


async def test_many_small_proposals_are_one_large_one() -> None:
    """Salami: each is harmless, of another node and kind; the third of one rack within the hour is refused."""
    ledger, clock = MemoryLedger(INSTALLATION), TestClock()
    holder = gate(ledger, clock)
    small = [cordon("eu-a3"), SetPowerCap(node=NodeId("eu-a4"), watts=Watts(5_000)), cordon("eu-a2")]
    answers = [await holder.submit(proposal(c, attempt=n)) for n, c in enumerate(small)]
    assert [a.verdict.decision for a in answers] == [Decision.PERMIT, Decision.PERMIT, Decision.FORBID]
    assert answers[-1].verdict.policies == ("breaker-rate",)
    assert answers[-1].verdict.failures[0].dimension is Dimension.BLAST_RADIUS
    elsewhere = await holder.submit(proposal(cordon("eu-b1"), attempt=9))
    assert elsewhere.verdict.decision is Decision.PERMIT


async def test_a_gate_that_starts_again_knows_what_was_decided_of_late() -> None:
    ledger, clock = MemoryLedger(INSTALLATION), TestClock()
    for n, change in enumerate((cordon("eu-a3"), cordon("eu-a4"))):
        await gate(ledger, clock).submit(proposal(change, attempt=n))
    again = gate(ledger, clock)
    await again.restore()
    assert (await again.submit(proposal(cordon("eu-a2"), attempt=3))).verdict.policies == ("breaker-rate",)
    clock.advance(minutes=62)
    late = gate(ledger, clock)
    await late.restore()
    asked = proposal(cordon("eu-a2"), attempt=4, created_at=clock())
    assert (await late.submit(asked)).verdict.decision is Decision.PERMIT


async def test_what_is_forbidden_counts_for_nothing() -> None:
    ledger, clock = MemoryLedger(INSTALLATION), TestClock()
    holder = gate(ledger, clock)
    for n in range(5):
        await holder.submit(proposal(COPY_A_ABROAD, attempt=n))
    assert (await holder.submit(proposal(MOVE_A, attempt=9))).verdict.decision is Decision.PERMIT


def test_a_share_of_an_nvlink_domain_is_the_most_that_is_fenced_wherever_its_nodes_stand() -> None:
    """Four nodes of two racks in one domain, one of them fenced: a second is half of it."""
    linked = {"eu-a1", "eu-a2", "eu-b1", "eu-b2"}
    devices = {n: tuple(builders.accelerator(n, i, nvlink_domain="nvl-1") for i in range(8)) for n in linked}
    nodes = [
        n.model_copy(update={"accelerators": devices.get(n.id, n.accelerators), "cordoned": n.id == "eu-b1"})
        for n in builders.default_nodes()
    ]
    on = estate(nodes=nodes)
    law = bounded(of=Sort.NVLINK_DOMAIN, fenced=PerMille(250))
    found = failing(cordon("eu-a1"), on=on, bundle=law)
    assert set(found) == {"breaker-group"}
    assert "nvlink-domain/nvl-1: at most 1 of 4 nodes fenced" in found["breaker-group"]
    assert failing(cordon("eu-a3"), on=on, bundle=law) == {}, "a domain of one node may always lose it"
    assert failing(cordon("eu-a1"), on=on, bundle=bounded(of=Sort.NVLINK_DOMAIN, fenced=PerMille(500))) == {}
