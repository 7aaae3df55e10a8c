"""The law about what is running says of a placement what it would have said of the move that made it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from estate.changes import CopyWorkload, MoveWorkload, ReplicaMove
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.law import Isolation
from estate.modes import Mode
from estate.results import Refusal
from estate.verdicts import Decision, Dimension, Failure
from estate.workloads import Binding
from policies import deciding
from policies.questions import Matter, Question, Standing
from policies.reviewing import review
from tests import builders
from tests.policies.asking import law, mandate_of
from tests.policies.lawsuits import estates

A_SERVE = WorkloadId("a-serve")
SOVEREIGN = {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL}


@st.composite
def placings(draw: st.DrawFn) -> tuple[FrozenEstate, MoveWorkload | CopyWorkload]:
    """A workload of which nothing runs yet, and a move that binds some of it, or its copy in the other cluster."""
    on = draw(estates())
    chosen = draw(st.sampled_from(list(on.workloads())))
    there = draw(st.sampled_from([ClusterId("eu-1"), ClusterId("us-1")]))
    base = on.with_workload(chosen.without(chosen.bindings))
    replicas = range(chosen.replicas) if there != chosen.cluster else range(draw(st.integers(1, chosen.replicas)))
    targets = [n.id for n in base.nodes() if n.cluster == there]
    needed = chosen.contract.accelerators_per_replica
    nodes = draw(st.lists(st.sampled_from(targets), min_size=len(replicas), max_size=len(replicas), unique=True))
    if there != chosen.cluster:
        seats = (Binding(replica=r, node=n, accelerators=_free(base, n)[:needed]) for r, n in enumerate(nodes))
        return base, CopyWorkload(workload=chosen.id, to_cluster=there, bindings=tuple(seats))
    moves = tuple(
        ReplicaMove(replica=r, source=None, target=node, accelerators=_free(base, node)[:needed])
        for r, node in zip(replicas, nodes, strict=True)
    )
    return base, MoveWorkload(workload=chosen.id, moves=moves)


def _free(on: FrozenEstate, node: NodeId) -> tuple[int, ...]:
    return tuple(i for i in range(8) if i not in on.taken(node))


def _locked(failures: tuple[Failure, ...]) -> set[tuple[Dimension, str]]:
    rules = law().rules
    own = {deciding.KERNEL, deciding.ERRORED}
    return {
        (f.dimension, f.policy) for f in failures if f.policy in own or (f.policy in rules and not rules[f.policy].tier)
    }


@given(placings())
def test_a_placement_is_reviewed_as_the_change_that_made_it_is_judged(
    drawn: tuple[FrozenEstate, MoveWorkload | CopyWorkload],
) -> None:
    """The same tier-0 policies and dimensions: what a verdict permits is lawful, and nothing else is."""
    base, change = drawn
    laid = lay_out((change,), base)
    if isinstance(laid, Refusal):
        return
    proposed = builders.proposal(change, on=base)
    matter = Matter.of(proposed, mandate=mandate_of(proposed))
    verdict = deciding.decide(Question(matter, base, law(), Standing(Mode.AUTOMATIC), builders.START)).verdict
    (placed,) = change.disrupts(base)
    (found,) = review(laid.value.after, law(), builders.START, [placed])
    assert _locked(found.failures) == _locked(verdict.failures)
    assert len(found.failures) == len(_locked(found.failures)), "nothing but tier 0"
    assert found.lawful or verdict.decision is Decision.FORBID


def test_what_runs_abroad_is_named_with_every_axis_and_what_would_be_lawful() -> None:
    abroad = builders.workload(
        "a-serve", cluster=ClusterId("us-1"), replicas=1, bindings=(builders.binding(0, "us-a2", 0, 1),)
    )
    (found,) = review(builders.estate(workloads=[abroad]), law(), builders.START)
    assert {f.dimension for f in found.failures} == SOVEREIGN
    assert found.tenant == "tenant-a"
    (geographic,) = (f for f in found.failures if f.dimension is Dimension.GEOGRAPHIC)
    assert geographic.policy == "sovereignty-geographic"
    assert (geographic.needed, geographic.found) == ("only DE, FR", "reaches US")
    assert geographic.remedy == "lawful for it: eu-1 (eu-de)"


def test_neighbours_too_close_make_both_unlawful() -> None:
    """`b-train` was promised a node of its own and shares one: the law is broken by both who stand there."""
    alone = tuple(
        t.model_copy(update={"isolation": Isolation.DEDICATED_NODE}) if t.id == "tenant-b" else t
        for t in builders.facts().tenants
    )
    found = review(builders.estate(law_base=builders.facts(tenants=alone)), law(), builders.START)
    unlawful = {str(r.workload): {f.policy for f in r.failures} for r in found if not r.lawful}
    assert unlawful == {"a-serve": {"tenant-isolation"}, "b-train": {"tenant-isolation"}}


def test_a_failed_or_fenced_node_is_no_breach_of_the_law() -> None:
    """What broke is an incident of its own; whose it is and where it stands did not change."""
    broken = [
        n.model_copy(update={"cordoned": True, "health": Health.FAILED}) if n.id == "eu-a1" else n
        for n in builders.default_nodes()
    ]
    assert all(r.lawful for r in review(builders.estate(nodes=broken), law(), builders.START))


def test_expired_facts_make_everything_unlawful() -> None:
    expired = builders.facts().valid_until + timedelta(seconds=1)
    found = review(builders.estate(), law(), expired)
    assert len(found) == 3
    assert all([f.policy for f in r.failures] == ["facts-in-force"] for r in found)
    assert found[0].failures[0].about == "workload/a-serve"


def test_a_workload_that_is_not_there_is_passed_over() -> None:
    found = review(builders.estate(), law(), builders.START, [WorkloadId("gone"), A_SERVE])
    assert [r.workload for r in found] == [A_SERVE]
