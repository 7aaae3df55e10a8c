"""A copy and a removal are a move between clusters: what each says of the estate, and what neither would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estate import names
from estate.changes import Change, CopyWorkload, NoInverse, RemoveWorkload
from estate.conditions import misses
from estate.effects import effect, lay_out
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, NodeId, Uid, WorkloadId
from estate.objects import MADE
from estate.results import Ok, Refusal, RefusalCode
from estate.workloads import Workload
from tests import builders

A_SERVE = WorkloadId("a-serve")
ABROAD = WorkloadId("us-1.tenant-a.a-serve")
US_1 = ClusterId("us-1")
SEATS = (builders.binding(0, "us-a2", 0, 1), builders.binding(1, "us-a3", 2, 3))
COPY = CopyWorkload(workload=A_SERVE, to_cluster=US_1, bindings=SEATS)
REMOVE = RemoveWorkload(workload=A_SERVE, replaced_by=ABROAD)


def after(*changes: Change) -> FrozenEstate:
    """The small estate after these."""
    laid = lay_out(changes, builders.estate())
    assert isinstance(laid, Ok), laid
    assert isinstance(laid.value.after, FrozenEstate)
    return laid.value.after


def refused(change: Change, on: FrozenEstate | None = None) -> Refusal:
    """Why the change has no effect."""
    result = effect(change, on or builders.estate())
    assert isinstance(result, Refusal), result
    return result


def test_a_copy_is_another_thing_and_leaves_the_first_as_it_was() -> None:
    found = after(COPY)
    copy, original = found.workload(ABROAD), builders.estate().workload(A_SERVE)
    assert found.workload(A_SERVE) == original
    assert copy is not None
    assert original is not None
    assert (copy.cluster, copy.namespace, copy.uid, copy.bindings) == ("us-1", "tenant-a", MADE, SEATS)
    same = {"tenant", "name", "kind", "contract", "replicas", "watts_per_accelerator", "datasets", "tolerations"}
    assert copy.model_dump(include=same) == original.model_dump(include=same)


def test_a_copy_then_a_removal_is_a_move_and_moves_the_draw_with_it() -> None:
    found, before = after(COPY, REMOVE), builders.estate()
    assert found.workload(A_SERVE) is None
    assert found.workload(ABROAD) is not None
    assert found.taken(NodeId("us-a2")) == {0, 1}
    assert found.node_watts(NodeId("eu-a2")) == builders.IDLE
    assert found.node_watts(NodeId("us-a2")) == before.node_watts(NodeId("us-a2")) + 2 * builders.PER_ACCELERATOR


def test_what_was_made_meets_its_conditions_whatever_uid_its_cluster_gave_it() -> None:
    (step, removal) = builders.steps(COPY, REMOVE)
    assert not misses(builders.estate(), step.preconditions)
    (missed,) = misses(after(COPY), step.preconditions)
    assert missed.fault == "is there already"
    real = after(COPY).workload(ABROAD)
    assert real is not None
    seen = after(COPY).with_workload(real.model_copy(update={"uid": Uid("7d1c")}))
    assert not misses(seen, (*step.postconditions, *removal.preconditions))
    (left,) = misses(seen, removal.postconditions)
    assert left.fault == "is there already"
    assert not misses(after(COPY, REMOVE), (*step.postconditions, *removal.postconditions))


def test_a_removal_waits_for_the_copy_that_was_decided_on() -> None:
    (_, removal) = builders.steps(COPY, REMOVE)
    running = after(COPY)
    copy = running.workload(ABROAD)
    assert copy is not None
    for less in (running.with_workload(copy.without(copy.bindings[:1])), running.without_workload(ABROAD)):
        assert {m.condition.about.id for m in misses(less, removal.preconditions)} == {ABROAD}


def test_the_undo_of_a_copy_is_its_removal_and_a_removal_has_none() -> None:
    (step, removal) = builders.steps(COPY, REMOVE)
    assert step.inverse == RemoveWorkload(workload=ABROAD, replaced_by=A_SERVE)
    assert isinstance(removal.inverse, NoInverse)
    assert "copy that back" in removal.inverse.reason
    back = effect(step.inverse, after(COPY))
    assert isinstance(back, Ok)
    assert tuple(back.value.workloads()) == tuple(builders.estate().workloads())


def test_a_copy_can_be_copied_back() -> None:
    seats = (builders.binding(0, "eu-a3", 0, 1), builders.binding(1, "eu-a3", 2, 3))
    back = CopyWorkload(workload=ABROAD, to_cluster=ClusterId("eu-1"), bindings=seats)
    home = WorkloadId("eu-1.tenant-a.a-serve")
    found = after(COPY, REMOVE, back, RemoveWorkload(workload=ABROAD, replaced_by=home))
    assert [w.id for w in found.workloads() if w.tenant == "tenant-a"] == [home]


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        (COPY.model_copy(update={"to_cluster": ClusterId("eu-1")}), RefusalCode.NOT_SUPPORTED, "use MoveWorkload"),
        (COPY.model_copy(update={"bindings": SEATS[:1]}), RefusalCode.PRECONDITION_FAILED, "has 2 replicas"),
        (COPY.model_copy(update={"bindings": SEATS[:1] * 2}), RefusalCode.PRECONDITION_FAILED, "each of them once"),
        (COPY.model_copy(update={"workload": WorkloadId("gone")}), RefusalCode.UNKNOWN_TARGET, "not in the estate"),
        (
            COPY.model_copy(update={"bindings": (builders.binding(0, "us-a1", 0, 1), SEATS[1])}),
            RefusalCode.NO_CAPACITY,
            "taken",
        ),
        (
            COPY.model_copy(update={"bindings": (builders.binding(0, "eu-a3", 0, 1), SEATS[1])}),
            RefusalCode.NO_CAPACITY,
            "belongs to",
        ),
        (REMOVE, RefusalCode.UNKNOWN_TARGET, "`workload/us-1.tenant-a.a-serve` is not in the estate"),
        (REMOVE.model_copy(update={"replaced_by": WorkloadId("b-train")}), RefusalCode.NOT_SUPPORTED, "is no copy of"),
        (REMOVE.model_copy(update={"replaced_by": A_SERVE}), RefusalCode.NOT_SUPPORTED, "is no copy of"),
    ],
)
def test_what_is_no_move_between_clusters_is_refused_with_the_reason(
    change: Change, code: RefusalCode, why: str
) -> None:
    found = refused(change)
    assert (found.code, why in found.message) == (code, True), found.message


def test_a_copy_under_a_name_that_is_taken_is_refused() -> None:
    assert "there already" in refused(COPY, after(COPY)).message


def test_nothing_is_removed_while_nothing_of_its_copy_runs() -> None:
    running = after(COPY)
    copy = running.workload(ABROAD)
    assert copy is not None
    assert "stays" in refused(REMOVE, running.with_workload(copy.without(copy.bindings))).message


def test_nothing_is_removed_in_favour_of_another_tenants_work_of_that_name() -> None:
    running = after(COPY)
    copy = running.workload(ABROAD)
    assert copy is not None
    theirs = copy.model_copy(update={"tenant": "tenant-c"})
    assert "is no copy of" in refused(REMOVE, running.with_workload(theirs)).message


def test_a_copy_without_a_place_cannot_even_be_written() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        CopyWorkload(workload=A_SERVE, to_cluster=US_1, bindings=())
    with pytest.raises(ValidationError, match="pattern"):
        CopyWorkload(workload=A_SERVE, to_cluster=US_1, namespace="Tenant A", bindings=SEATS)


tokens = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(tokens, tokens, tokens, tokens)
def test_a_copy_is_called_as_a_source_would_call_it_and_leads_back(
    space: str, other: str, kind: str, name: str
) -> None:
    """One rule for both: else the copy could never be verified under the name that was decided on."""
    here = _called(ClusterId("eu-1"), space, f"{kind}.{name}")
    there = names.elsewhere(here, US_1, other)
    assert there == names.workload_id(US_1, other, f"{kind}.{name}")
    copy = _called(US_1, other, f"{kind}.{name}")
    assert names.elsewhere(copy, ClusterId("eu-1"), space) == here.id
    assert names.are_counterparts(here, copy)
    assert names.are_counterparts(copy, here)


def _called(cluster: ClusterId, space: str, own: str) -> Workload:
    return builders.workload(
        id=names.workload_id(cluster, space, own), cluster=cluster, namespace=space, tenant="tenant-a"
    )
