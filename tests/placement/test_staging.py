"""Stages that feed each other: in numbers that keep up, near each other, all or none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import WorkloadId
from estate.workloads import Span, Stage, Workload
from tests import builders
from tools.placement import staging
from tools.placement.assurance.keeping import Keeper
from tools.placement.engine import MaskEngine
from tools.placement.offering.answers import Grade, Offer
from tools.placement.offering.offers import offer
from tools.placement.offering.requests import Request
from tools.placement.port import Ask, NoPlacement, Placement
from tools.placement.staging import Staged, Unstaged

GPU, CPU = WorkloadId("gpu"), WorkloadId("cpu")


def stage(name: str, beside: str, accelerators: int, replicas: int, near: Span = Span.RACK) -> Workload:
    contract = builders.contract(accelerators, stage=Stage(beside=(WorkloadId(beside),), near=near))
    return builders.workload(name, replicas=replicas, contract=contract)


def placed(estate: FrozenEstate, feeding: int, replicas: int = 2) -> Staged | Unstaged:
    """A stage of eight devices a replica, and one that feeds it with `feeding` each."""
    gpu, cpu = stage("gpu", "cpu", 8, replicas), stage("cpu", "gpu", feeding, replicas)
    return staging.place(
        MaskEngine(),
        estate.with_workload(gpu).with_workload(cpu),
        [Ask(CPU, tuple(range(replicas))), Ask(GPU, tuple(range(replicas)))],
    )


def test_all_stages_stand_in_one_domain_or_none_is_placed() -> None:
    """In `eu-a` there is room for one of the stages, in `eu-b` for both."""
    nodes = [builders.node(f"eu-a{n}") for n in (1, 2)] + [builders.node(f"eu-b{n}") for n in (1, 2, 3)]
    estate = builders.estate(nodes=nodes, workloads=())
    found = placed(estate, 4)
    assert isinstance(found, Staged)
    homes = {estate.rack_of(b.node) for p in found.placements.values() for b in p.bindings}
    assert homes == {"eu-b"}
    stuck = placed(estate, 8)
    assert isinstance(stuck, Unstaged)
    assert stuck.ask.workload in (GPU, CPU)


def test_who_asks_for_one_stage_is_told_homes_for_those_that_wait_with_it() -> None:
    nodes = [builders.node(f"eu-a{n}") for n in (1, 2)] + [builders.node(f"eu-b{n}") for n in (1, 2, 3)]
    estate = builders.estate(nodes=nodes, workloads=())
    waiting = estate.with_workload(stage("gpu", "cpu", 8, 2)).with_workload(stage("cpu", "gpu", 4, 2))
    found = staging.answer(MaskEngine(), waiting, Ask(CPU, (0, 1)))
    assert isinstance(found, Placement)
    (other,) = found.stages
    assert {estate.rack_of(b.node) for b in (*found.bindings, *other.bindings)} == {"eu-b"}
    crowded = estate.with_workload(stage("gpu", "cpu", 8, 3)).with_workload(stage("cpu", "gpu", 4, 2))
    refused = staging.answer(MaskEngine(), crowded, Ask(GPU, (0, 1, 2)))
    assert isinstance(refused, NoPlacement)
    assert refused.nearest.startswith("its stage `cpu` has no home beside it: ")


def test_a_stage_that_is_placed_anew_stays_near_the_other() -> None:
    estate = builders.estate(nodes=[builders.node(f"eu-{r}{n}") for r in "ab" for n in (1, 2)], workloads=())
    gpu = stage("gpu", "cpu", 8, 1).model_copy(update={"bindings": (builders.binding(0, "eu-b1", *range(8)),)})
    found = MaskEngine().place(estate.with_workload(gpu).with_workload(stage("cpu", "gpu", 0, 1)), Ask(CPU, (0,)))
    assert isinstance(found, Placement)
    assert estate.rack_of(found.bindings[0].node) == "eu-b"


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_replicas_keep_up_and_one_fewer_would_not(items: int, each: int) -> None:
    replicas = staging.replicas_for(items, each)
    assert (replicas - 1) * each < items <= replicas * each


def asked(estate: FrozenEstate, **over: Any) -> Offer:
    form: dict[str, Any] = {
        "tenant": "tenant-a",
        "accelerators": 4,
        "replicas": 2,
        "paces": [{"items_per_hour": 1_000}],
        "fed_by": [{"name": "decode", "items_per_hour": 300}],
        "near": "rack",
    }
    return offer(MaskEngine(), Keeper(), estate, Request.model_validate(form | over), builders.START)


def test_an_offer_holds_every_stage_in_the_numbers_that_follow_from_the_rates() -> None:
    found = asked(builders.estate(workloads=()))
    assert found.grade is Grade.GUARANTEED
    assert [(p.stage, p.replicas, p.accelerators) for p in found.places] == [("", 2, 8), ("decode", 7, 0)]
    racks = {n[:4] for p in found.places for n in p.nodes}
    assert len(racks) == 1


def test_a_request_for_stages_that_is_absurd_names_its_field() -> None:
    estate = builders.estate(workloads=())
    with pytest.raises(ValidationError, match="items_per_hour"):
        asked(estate, paces=[])
    with pytest.raises(ValidationError, match="`decode` is there twice"):
        asked(estate, fed_by=[{"name": "decode", "items_per_hour": 1}] * 2)
    with pytest.raises(BadInput, match="fed_by: more than 1000 replicas of `decode`"):
        asked(estate, fed_by=[{"name": "decode", "items_per_hour": 1}])
