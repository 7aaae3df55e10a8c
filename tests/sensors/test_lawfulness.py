"""`sovereignty.violated` and `isolation.violated`: whatever stands unlawfully is told once, whoever made it so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from estate.frozen import FrozenEstate
from estate.ids import ClusterId, Country, DatasetId, NodeId, TenantId, WorkloadId
from estate.law import Dataset, Facts, Grant, Isolation
from estate.observations import EventType
from estate.units import Seconds
from estate.uses.running import Component, ComponentSort, ModelServer
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies import reviewing
from policies.watching import Watched
from tests import builders
from tests.drawing import among
from tests.policies.asking import law
from tests.sensors.series import Series
from tools.inventory import silences
from tools.sensors.lawfulness import Lawfulness
from tools.sensors.sensing import Signal

SOVEREIGN = {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL}
A_SERVE = WorkloadId("a-serve")
LOGS = DatasetId("b-logs")


def series(estate: FrozenEstate | None = None, facts: Facts | None = None, **thresholds: Any) -> Series:
    """The small estate, looked at by the law alone."""
    made = Series(estate or builders.estate(law_base=facts), law=Watched(law()))
    made.sensors = {"lawfulness": Lawfulness(**thresholds)}
    return made.begin()


def abroad(name: str = "a-serve", tenant: str = "tenant-a", **over: Any) -> Workload:
    """A workload of somebody who may be in Europe only, bound in the United States."""
    where: dict[str, Any] = {"cluster": ClusterId("us-1"), "replicas": 1, "datasets": ()}
    bound = (builders.binding(0, "us-b2", 0, 1),)
    return builders.workload(name, tenant=tenant, **(where | {"bindings": bound} | over))


def tenants(**isolation: Isolation) -> Facts:
    """The small estate's facts, with tenants that were promised more."""
    named = {n.replace("_", "-"): level for n, level in isolation.items()}
    known = builders.facts().tenants
    return builders.facts(
        tenants=tuple(t.model_copy(update={"isolation": named.get(t.id, t.isolation)}) for t in known)
    )


def owned_by(seat: str, version: int = 2) -> Facts:
    """New facts in which the owner of the European site is under that country's law."""
    known = builders.facts().entities
    moved = (e.model_copy(update={"seat": Country(seat)}) if e.id == "eu-hosting" else e for e in known)
    return builders.facts(version=version, entities=tuple(moved))


def lent(until: timedelta) -> Facts:
    """`a-records` were made of logs of tenant-b, which granted them for that long."""
    (records,) = builders.facts().datasets
    logs = Dataset(id=LOGS, tenant=TenantId("tenant-b"), personal=True, residency=builders.residency("DE", "FR"))
    grant = Grant(dataset=LOGS, to=TenantId("tenant-a"), basis="DPA-9", valid_until=builders.START + until)
    made = records.model_copy(update={"derived_from": (LOGS,)})
    return builders.facts(datasets=(made, logs), grants=(grant,))


def test_what_is_bound_abroad_by_hand_is_told_once_with_every_axis_and_whose_hand_it_was() -> None:
    run = series()
    run.wait(60)
    assert run.told == [], "a lawful estate is silent"
    run.written(abroad("a-stray"), by="kubectl-create")
    run.wait(300, 5)
    run.put(abroad("a-stray", bindings=()))
    run.wait(30, 5)
    raised, cleared = run.told
    assert (raised.type, raised.resolved, cleared.resolved) == (EventType.SOVEREIGNTY_VIOLATED, False, True)
    assert {f.dimension for f in raised.evidence.failures} == SOVEREIGN
    assert {f.policy for f in raised.evidence.failures} >= {"sovereignty-geographic", "sovereignty-legal"}
    assert raised.evidence.by is not None
    assert raised.evidence.by.manager == "kubectl-create"
    assert "by `kubectl-create`" in raised.message
    assert raised.whereabouts.workload == "a-stray"
    assert cleared.type is raised.type


def test_what_is_unlawful_for_a_moment_only_is_never_told() -> None:
    run = series()
    for _ in range(10):
        run.put(abroad("a-stray"))
        run.wait(4)
        run.put(abroad("a-stray", bindings=()))
        run.wait(2)
    assert run.told == []


def test_who_comes_too_close_is_told_of_and_it_ends_when_the_neighbour_leaves() -> None:
    """The neighbour's leaving is no change of the one that is told of: it is looked at again."""
    run = series(
        builders.estate(
            law_base=tenants(tenant_b=Isolation.DEDICATED_NODE),
            workloads=[w for w in builders.default_workloads() if w.id != "a-serve"],
        )
    )
    comer = builders.workload("a-serve", replicas=1, bindings=(builders.binding(0, "eu-a1", 0, 1),))
    run.put(comer)
    run.wait(30, 5)
    (raised,) = run.told
    assert (raised.type, raised.key.subject) == (EventType.ISOLATION_VIOLATED, "workload/a-serve")
    assert [f.policy for f in raised.evidence.failures] == ["tenant-isolation"]
    train = run.estate.workload(WorkloadId("b-train"))
    assert train is not None
    run.put(train.without(train.on(NodeId("eu-a1"))))
    run.wait(40, 5)
    assert [(s.key.subject, s.resolved) for s in run.told[1:]] == [("workload/a-serve", True)]


def test_data_that_somebody_writes_on_a_running_workload_is_held_to_its_grants() -> None:
    run = series(facts=lent(timedelta(days=30)))
    train = next(w for w in builders.default_workloads() if w.id == "b-train")
    run.put(train.model_copy(update={"datasets": (DatasetId("a-records"),)}))
    run.wait(20, 5)
    assert [f.policy for s in run.told for f in s.evidence.failures] == ["tenant-data"]


def test_new_facts_about_an_owner_make_unlawful_what_runs_there_and_only_that_is_looked_at() -> None:
    run = series()
    run.wait(10)
    run.renew(owned_by("US"))
    assert set(run.asked) == {"a-serve", "b-train"}
    run.wait(20, 5)
    assert {s.key.subject for s in run.told} == {"workload/a-serve", "workload/b-train"}
    assert all({f.dimension for f in s.evidence.failures} == {Dimension.LEGAL, Dimension.OPERATIONAL} for s in run.told)
    run.renew(owned_by("DE", version=3))
    run.wait(20, 5)
    assert [s.resolved for s in run.told] == [False, False, True, True]


def test_new_facts_that_say_nothing_of_what_runs_have_nothing_looked_at() -> None:
    run = series()
    run.renew(builders.facts(version=2, author="somebody else", basis="reviewed"))
    assert run.asked == ()


def test_a_promise_of_more_distance_is_held_against_who_stands_there_already() -> None:
    """Nobody came: the one who stands where the other was promised to be alone is told of, and not both."""
    run = series()
    run.renew(tenants(tenant_b=Isolation.DEDICATED_NODE).model_copy(update={"version": 2}))
    run.wait(20, 5)
    assert [(s.type, s.key.subject) for s in run.told] == [(EventType.ISOLATION_VIOLATED, "workload/a-serve")]


def test_a_namespace_or_a_rack_that_facts_move_makes_unlawful_what_stands_there() -> None:
    run = series()
    moved = tuple(r.model_copy(update={"site": "us-east"}) if r.id == "eu-b" else r for r in builders.facts().racks)
    run.renew(builders.facts(version=2, racks=moved))
    run.wait(20, 5)
    assert [(s.key.subject, s.evidence.failures[0].policy) for s in run.told] == [
        ("workload/b-train", "facts-complete-workload")
    ]
    taken = tuple(
        t.model_copy(update={"namespaces": ()}) if t.id == "tenant-a" else t for t in builders.facts().tenants
    )
    run.renew(builders.facts(version=3, tenants=taken))
    run.wait(20, 5)
    assert ("workload/b-train", True) in [(s.key.subject, s.resolved) for s in run.told]
    (taken_away,) = (s for s in run.told if s.key.subject == "workload/a-serve")
    assert Dimension.FACTS in {f.dimension for f in taken_away.evidence.failures}


def test_a_grant_that_ends_is_found_by_its_time_alone() -> None:
    run = series(facts=lent(timedelta(hours=1)))
    run.wait(3590, 300)
    assert run.told == []
    run.wait(20, 1)
    assert [(s.key.subject, s.evidence.failures[0].policy) for s in run.told] == [("workload/a-serve", "tenant-data")]


def test_facts_that_expire_are_one_event_and_not_one_for_each_workload() -> None:
    run = series(facts=builders.facts(valid_until=builders.START + timedelta(hours=1)))
    run.wait(3700, 50)
    (raised,) = run.told
    assert (raised.key.subject, raised.code) == ("facts/in-force", "law-facts-in-force")
    run.renew(builders.facts(version=2))
    assert [s.resolved for s in run.told] == [False, True]


def test_what_is_only_assumed_of_a_cluster_that_nobody_sees_breaks_no_law() -> None:
    run = series(builders.estate(workloads=()))
    run.put(*silences.assumed(builders.facts(), ClusterId("eu-1")).workloads)
    run.wait(30, 5)
    assert run.told == []


def test_what_the_law_does_not_read_has_nothing_looked_at() -> None:
    run = series()
    serve = run.estate.workload(A_SERVE)
    assert serve is not None
    run.put(serve.model_copy(update={"watts_per_accelerator": 400}), builders.node("eu-a1", cordoned=True))
    assert run.asked == ()


def acting(**over: Any) -> Component:
    """An agent that runs in `a-serve`, of the digest that the facts register."""
    fields: dict[str, Any] = {
        "id": "helper",
        "sort": ComponentSort.AGENT,
        "content": builders.registration("helper").content,
        "runs_in": (A_SERVE,),
    }
    return Component(**(fields | over))


def test_an_agent_or_a_model_that_nobody_registered_is_reported_until_somebody_does() -> None:
    known = builders.registration("helper", sort=ComponentSort.AGENT)
    weights = builders.registration("weights", weights="a-records")
    run = series(facts=builders.facts(registrations=(known, weights)))
    server = ModelServer(id="chat", workload=A_SERVE, engine="vllm", model="a-records")
    run.put(acting(), server)
    run.wait(20, 5)
    assert run.told == []
    run.put(acting(content=builders.registration("another").content), server.model_copy(update={"model": None}))
    run.wait(20, 5)
    assert sorted((s.key.subject, s.code) for s in run.told) == [
        ("component/helper", "law-mind-registered"),
        ("model-server/chat", "law-mind-registered"),
    ]
    assert {f.dimension for s in run.told for f in s.evidence.failures} == {Dimension.MODEL_REACH}
    other = builders.registration("another", sort=ComponentSort.AGENT)
    run.renew(builders.facts(version=2, registrations=(known, other, weights)))
    run.wait(20, 5)
    assert [(s.key.subject, s.resolved) for s in run.told[2:]] == [("component/helper", True)]


SEATS = tuple((c, n) for c, rack in (("eu-1", "eu-a"), ("us-1", "us-a")) for n in (f"{rack}1", f"{rack}2"))
NEW_FACTS = st.builds(
    lambda seat, a, b, days: owned_by(seat).model_copy(
        update={
            "tenants": tenants(tenant_a=a, tenant_b=b).tenants,
            "datasets": lent(timedelta(days=days)).datasets,
            "grants": lent(timedelta(days=days)).grants,
        }
    ),
    st.sampled_from(["DE", "US"]),
    *[st.sampled_from([Isolation.SHARED_NODE, Isolation.DEDICATED_NODE, Isolation.DEDICATED_RACK])] * 2,
    st.sampled_from([0, 1, 9]),
)


@st.composite
def placements(draw: st.DrawFn) -> Workload:
    """One of a few workloads of the two tenants, somewhere or nowhere."""
    tenant, number = draw(among(["tenant-a", "tenant-b"])), draw(st.integers(0, 1))
    cluster, node = draw(among(SEATS))
    slot = 4 * (tenant == "tenant-b") + 2 * number
    bound = (builders.binding(0, node, slot, slot + 1),) if draw(st.booleans()) else ()
    data = (DatasetId("a-records"),) if draw(st.booleans()) else ()
    return builders.workload(
        f"{tenant[-1]}-{number}", tenant=tenant, cluster=ClusterId(cluster), replicas=1, bindings=bound, datasets=data
    )


@settings(max_examples=12)
@given(st.lists(st.one_of(placements(), NEW_FACTS, st.integers(1, 400_000)), min_size=1, max_size=8))
def test_what_is_told_is_what_a_look_at_everything_finds(steps: list[Workload | Facts | int]) -> None:
    """Whatever happened, in whatever order: the increments equal the whole, and no answer is kept too long."""
    run = series(builders.estate(workloads=()), raise_after_seconds=Seconds(1), clear_after_seconds=Seconds(1))
    for step in steps:
        if isinstance(step, Workload):
            run.put(step)
        elif isinstance(step, Facts):
            run.renew(step)
        else:
            run.wait(step, max(1, step // 3))
    run.wait(40, 5)
    assert run.law is not None
    for workload in run.estate.workloads():
        judged = run.law.judge(workload.id, run.estate, run.now).failures
        whole = reviewing.stands(run.estate, law(), run.now, workload.id)
        assert [(f.dimension, f.policy, f.about) for f in judged] == [(f.dimension, f.policy, f.about) for f in whole]
        assert _is_told(run.told, workload.id) == bool(whole) or {f.policy for f in whole} == {"tenant-isolation"}


def _is_told(signals: list[Signal], name: WorkloadId) -> bool:
    last = [s for s in signals if s.key.subject == f"workload/{name}"][-1:]
    return bool(last) and not last[0].resolved
