"""A hostile proposer is permitted nothing that any of three opinions objects to, and enough to mean something.

A small sample of what `make hostile` does with 10 000 proposals for each profile.
"""

from __future__ import annotations

from typing import Any

import pytest

from estate.changes import Change
from estate.effects import effect
from estate.ids import NodeId, TenantId
from estate.law import Isolation, Network
from estate.results import Ok
from tests import builders, partitioned
from tests.hostile.attacking import attacked
from tests.hostile.campaigns import PROFILES
from tests.hostile.harms import harms
from tests.policies.asking import COPY_A_ABROAD, MOVE_A, move, scale
from tests.reserved import holding, reserve, seat


def test_nothing_unlawful_is_permitted_and_something_is() -> None:
    tallies = [attacked(profile, 8) for profile in PROFILES]
    assert sum(t.answers["permit"] for t in tallies) * 10 >= sum(t.judged for t in tallies) >= 32


APART = {
    "tenants": tuple(
        t.model_copy(update={"isolation": Isolation.DEDICATED_NODE}) if t.id == "tenant-b" else t
        for t in builders.facts().tenants
    )
}
BORROWED = {"datasets": tuple(d.model_copy(update={"tenant": TenantId("tenant-b")}) for d in builders.facts().datasets)}
POOR = {"racks": tuple(builders.rack(r, power_budget_watts=6_000) for r in ("eu-a", "eu-b", "us-a", "us-b"))}
JOINED = {"networks": (Network(id="rails", tenants=("tenant-b",), nodes=(NodeId("eu-b2"),)),)}
BESIDE_B = move("a-serve", (0, "eu-a1", "eu-b1", (4, 5)))


def test_the_third_opinion_sees_devices_that_are_cut_under_work_or_a_promise() -> None:
    before = holding(reserve("b-night", "tenant-b", seat("eu-a3", 0)), on=partitioned.estate())
    (work, *_) = before.workloads()
    after = effect(partitioned.repartition(), before)
    assert isinstance(after, Ok)
    onto = (builders.binding(0, "eu-a3", 0, 1),)
    both = (e.with_workload(work.model_copy(update={"bindings": onto})) for e in (before, after.value))
    assert {h.partition(":")[0] for h in harms(*both, (), builders.START, relieved=False)} >= {"a-serve", "b-night"}


@pytest.mark.parametrize(
    ("change", "facts", "speaks_for", "harm"),
    [
        (MOVE_A, {}, (), ""),
        (COPY_A_ABROAD, {}, (), "geographic reaches ['US']"),
        (BESIDE_B, APART, (), "on a node with b-train"),
        (MOVE_A, BORROWED, (), "uses a-records without a grant"),
        (MOVE_A, JOINED, (), "on the network rails"),
        (MOVE_A, {}, ("tenant-b",), "of tenant-a, whom they do not act for"),
        (MOVE_A, POOR, (), "rack eu-b: "),
        (scale("a-serve", 0), {}, (), "0 of 1 replicas run"),
    ],
    ids=["nothing", "abroad", "crowded", "borrowed", "joined", "a stranger's", "overloaded", "starved"],
)
def test_the_third_opinion_sees_each_harm(change: Change, facts: dict[str, Any], speaks_for: Any, harm: str) -> None:
    """Otherwise it would agree with anybody."""
    before = builders.estate(law_base=builders.facts(**facts))
    after = effect(change, before)
    assert isinstance(after, Ok)
    found = harms(before, after.value, speaks_for, builders.START, relieved=False)
    assert bool(found) is bool(harm)
    assert not harm or any(harm in h for h in found)
