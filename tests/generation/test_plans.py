"""What a plan says stands in the estate as it was written, and what is made up around it agrees with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from console.demo import estate as demo
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from policies import reviewing
from policies.bundle import Bundle
from tests import builders
from tools.generation.estates import Generated, generate
from tools.generation.plans import Plan
from tools.inventory import declarations, files, findings, writing

UNTIL = datetime(2027, 12, 31, tzinfo=UTC)
MORE = {"cluster": "us-1", "product": "mi300x-server", "count": 12, "nodes_each": 2}


def written(edit: Callable[[dict[str, Any]], object] = lambda form: None) -> Plan:
    """The demo's plan, edited as a person would edit the file."""
    form = demo.plan().json_form()
    edit(form)
    return files.parse(Plan, json.dumps(form).encode(), "plan.yaml")


@cache
def busy() -> Generated:
    """The demo's law and work beside twelve more racks, where everything works that can."""
    plan = written(lambda form: form.update(busy=1000, racks=[*form["racks"], MORE]))
    return generate(plan.layout(7, UNTIL))


def test_what_is_fixed_stands_as_written_and_work_is_made_up_in_other_racks_only() -> None:
    made, plan = busy(), demo.plan()
    fixed, others = made.world.workloads[: len(plan.work)], made.world.workloads[len(plan.work) :]
    assert [(w.id, w.tenant) for w in fixed] == [(w.id, w.tenant) for w in plan.work]
    seats = {w.name: [(s.node, s.accelerators) for s in w.seats] for w in plan.work}
    assert {w.name: [(b.node, b.accelerators) for b in w.bindings] for w in fixed} == seats
    rack_of = made.facts.rack_of
    held = {rack_of[b.node] for w in fixed for b in w.bindings}
    taken = {rack_of[b.node] for w in others for b in w.bindings}
    assert taken
    assert not held & taken
    added = [r for r in made.facts.racks if r.id.startswith("us-east-r")]
    assert [r.id for r in added][:2] == ["us-east-r005", "us-east-r006"]
    assert added[0].nodes == ("us-east-r005-n01", "us-east-r005-n02")


def test_what_is_made_up_agrees_with_the_plan_and_keeps_its_law(tmp_path: Path) -> None:
    made = busy()
    estate = FrozenEstate.of(builders.version(), made.facts, made.world.nodes, made.world.workloads, made.items)
    assert findings.cross_check(made.facts, made.world) == ()
    assert [r for r in reviewing.review(estate, Bundle.load(), builders.START) if not r.lawful] == []
    assert all(estate.rack_watts(r.id) <= r.power_budget_watts for r in made.facts.racks)
    (tmp_path / "estate.yaml").write_text(writing.text(made.file()))
    assert len(declarations.load([tmp_path], made.facts)) == len(made.items)


def test_another_seed_changes_only_what_nobody_fixed() -> None:
    one, other = generate(written().layout(7, UNTIL)), generate(written().layout(8, UNTIL))
    assert one.facts == other.facts
    assert one.world.workloads == other.world.workloads
    assert one.items != other.items
    assert one.items == generate(written().layout(7, UNTIL)).items


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "product": (lambda f: f["racks"][0].update(product="abacus"), "`abacus` is none of `dgx-h100`"),
    "cluster": (lambda f: f["racks"][0].update(cluster="eu-9"), r"racks\.0\.cluster: `eu-9`"),
    "racks twice": (lambda f: f["racks"].append(f["racks"][0]), "racks: `eu-a` is there twice"),
    "names and count": (lambda f: f["racks"][0].update(count=2), "`names` or `count`, and not both"),
    "pattern": (lambda f: f["racks"][0].update(nodes_named="{rack}"), "would name two nodes alike"),
    "odd names": (lambda f: f["racks"][0].update(nodes_named="{rack}/{number}"), "names like `a/1`"),
    "owner": (lambda f: f["sites"][0].update(owner="nobody"), "`nobody` is not defined"),
    "tenant": (lambda f: f["work"][0].update(tenant="tenant-x"), r"work\.0\.tenant: `tenant-x`"),
    "namespace": (lambda f: f["work"][6].update(tenant="tenant-b"), "`tenant-b` has no namespace"),
    "node": (lambda f: f["work"][0]["seats"][0].update(node="eu-x1"), "`eu-x1` is no node"),
    "unequal": (lambda f: f["work"][0]["seats"][0].update(accelerators=[0]), "replicas are equal"),
    "dataset": (lambda f: f["work"][1].update(datasets=["lost"]), r"work\.1\.datasets: `lost`"),
    "no such device": (lambda f: f["work"][1]["seats"][0].update(accelerators=[8]), "`eu-b1` has no accelerator 8"),
    "held twice": (lambda f: f["work"][1]["seats"][0].update(node="eu-a1"), "`eu-a1/0` is held twice"),
    "named twice": (lambda f: f["work"][1].update(id="a-chat"), "`a-chat` is there twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plan_that_cannot_be_says_where_and_what_to_do(fault: str) -> None:
    edit, says = FAULTS[fault]
    with pytest.raises(BadInput, match=rf"(?s)plan\.yaml.*{says}"):
        written(edit)
