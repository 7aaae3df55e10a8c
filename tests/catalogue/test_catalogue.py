"""The only eyes a model has: typed, read-only, and every fault told in words that it can act on."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import NodeId
from estate.snapshots import SnapshotVersion
from tests import builders
from tools.catalogue.nodes import DESCRIBE_NODE, NodeQuestion
from tools.catalogue.registry import TOOLS, Catalogue
from tools.catalogue.xids import KNOWN, Action
from tools.placement.engine import MaskEngine

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "xid" / "nvidia_xid_catalog.csv"
CALLS: dict[str, dict[str, Any]] = {
    "describe_node": {"node": "eu-a1"},
    "workloads_on_node": {"node": "eu-a1"},
    "tenant_of_workload": {"workload": "a-serve"},
    "search_workloads": {"tenant": "tenant-b"},
    "place": {"workload": "a-serve", "replicas": [0], "avoid": ["eu-a1"]},
    "lawful_clusters": {"workload": "a-serve"},
    "rehearse": {"changes": [{"kind": "CordonNode", "node": "eu-a1"}]},
    "rack_power": {"rack": "eu-a"},
    "xid_meaning": {"code": 79},
    "get": {"kind": "rack", "id": "eu-a"},
    "list": {"kind": "node", "site": "eu-de", "where": [{"field": "health", "value": "healthy"}], "limit": 3},
    "describe": {"kind": "node", "id": "eu-a1"},
    "neighbours": {"kind": "node", "id": "eu-a1", "direction": "up"},
    "headroom": {"kind": "rack", "id": "eu-a"},
    "history": {"kind": "node", "id": "eu-a1", "version": {"installation": "test", "epoch": 1, "sequence": 6}},
    "drift": {"node": "eu-a1", "matters": ["placement"]},
    "explain_pending": {"workload": "a-serve"},
    "offer": {"request": {"tenant": "tenant-a", "accelerators": 8}},
    "what_if": {"supposed": [{"kind": "lose", "domain": "rack/eu-a"}]},
    "assurance": {"losses": ["node", "rack"]},
    "fleet_report": {"site": "eu-de"},
}


@dataclass(frozen=True)
class Before:
    """The past: under version 6 the node was cordoned; nothing older is held."""

    estate: FrozenEstate

    def as_of(self, version: SnapshotVersion) -> FrozenEstate | None:
        then = self.estate.node(NodeId("eu-a1"))
        assert then is not None
        past = self.estate.with_node(then.model_copy(update={"cordoned": True})).at(version)
        return past if version.sequence == 6 else None

    def at(self, time: datetime) -> FrozenEstate | None:
        return self.as_of(builders.version(6)) if time >= builders.START else None


@pytest.fixture
def catalogue() -> Catalogue:
    """The catalogue over the small estate."""
    estate = builders.estate(at=builders.version(7))
    return Catalogue(lambda: estate, MaskEngine(), past=Before(estate))


def test_every_tool_has_an_example_here(catalogue: Catalogue) -> None:
    assert set(catalogue.names) == set(CALLS) == {t.name for t in TOOLS}


@pytest.mark.parametrize("name", CALLS)
def test_every_answer_is_plain_json_and_names_the_estate_it_read(catalogue: Catalogue, name: str) -> None:
    for arguments in (CALLS[name], json.dumps(CALLS[name])):
        answer = catalogue.call(name, arguments)
        assert answer["snapshot"] == {"installation": "test", "epoch": 1, "sequence": 7}
        assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize("name", CALLS)
def test_every_tool_refuses_fields_it_does_not_know(catalogue: Catalogue, name: str) -> None:
    with pytest.raises(BadInput, match=f"arguments of `{name}` do not fit: .*surprise"):
        catalogue.call(name, CALLS[name] | {"surprise": 1})


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("drop_tables", {}, "no tool `drop_tables`; there are describe_node, "),
        ("describe_node", {"node": "eu-z9"}, "no node `eu-z9`"),
        ("rack_power", {"rack": "eu-z"}, "no rack `eu-z`; there are eu-a, eu-b"),
        ("place", {"workload": "ghost", "replicas": [0]}, "`search_workloads` lists"),
        ("place", {"workload": "a-serve", "replicas": []}, "replicas: "),
        ("rehearse", {"changes": [{"kind": "FormatDisk"}]}, "changes.0: "),
        ("rehearse", "{", "not canonical JSON"),
        ("xid_meaning", "[1]", "do not fit"),
        ("get", {"kind": "spaceship", "id": "x"}, "no kind `spaceship`; there are accelerator, cdu"),
        ("get", {"kind": "rack", "id": "eu-z"}, "no rack `eu-z`; there are `eu-a`, `eu-b`"),
        ("get", {"kind": "rack", "id": "eu-a", "field": "nodes.x"}, "no field `nodes.x`"),
        ("list", {"kind": "node", "where": [{"field": "colour", "value": "red"}]}, "a node has no field `colour`"),
        ("headroom", {"kind": "entity", "id": "acme"}, "a entity has no headroom"),
        ("explain_pending", {"workload": "ghost"}, "workload: no workload `ghost`"),
        ("offer", {"request": {"tenant": "nobody", "accelerators": 1}}, "tenant: no tenant `nobody`"),
        ("what_if", {"supposed": [{"kind": "lose", "domain": "rack/eu-z"}]}, "no rack `eu-z`; there are eu-a"),
        ("fleet_report", {"site": "moon"}, "site: no site `moon`"),
        ("history", {"kind": "node", "id": "eu-a1"}, "name a `version` or a time"),
        ("history", {"kind": "node", "id": "eu-a1", "at": "2020-01-01T00:00:00Z"}, "further back than is held"),
    ],
)
def test_a_faulty_call_tells_the_model_what_to_do(
    catalogue: Catalogue, name: str, arguments: Any, complaint: str
) -> None:
    with pytest.raises(BadInput) as refused:
        catalogue.call(name, arguments)
    assert complaint in str(refused.value)


def test_a_typed_caller_gets_a_typed_answer(catalogue: Catalogue) -> None:
    found = catalogue.ask(DESCRIBE_NODE, NodeQuestion(node=NodeId("eu-a1")))
    assert (found.rack, found.site, found.taken) == ("eu-a", "eu-de", (0, 1, 4, 5, 6, 7))


def test_the_answers_are_those_of_the_estate(catalogue: Catalogue) -> None:
    on_node = catalogue.call("workloads_on_node", {"node": "eu-a1"})
    assert on_node["tenants"] == ["tenant-a", "tenant-b"]
    assert catalogue.call("lawful_clusters", {"workload": "a-serve"})["lawful"] == ["eu-1"]
    assert catalogue.call("lawful_clusters", {"workload": "c-batch"})["lawful"] == ["eu-1", "us-1"]
    found = catalogue.call("search_workloads", {"work": "training"})
    assert found["total"] == 1
    assert catalogue.call("rack_power", {"rack": "eu-a"})["headroom_watts"] == 12_400
    assert catalogue.call("tenant_of_workload", {"workload": "b-train"})["disruption"] == "approval"


def test_a_langchain_model_reads_faults_as_text(catalogue: Catalogue) -> None:
    tools = {t.name: t for t in catalogue.as_langchain()}
    assert set(tools) == set(CALLS)
    for name, arguments in CALLS.items():
        assert json.loads(tools[name].invoke(arguments)) == catalogue.call(name, arguments)
    assert tools["describe_node"].invoke({"node": "eu-z9"}).startswith("error: no node `eu-z9`")


def test_a_catalogue_reads_the_newest_snapshot_each_time() -> None:
    held = [builders.estate()]
    catalogue = Catalogue(lambda: held[0], MaskEngine())
    held[0] = held[0].with_node(builders.node("eu-a1", cordoned=True)).at(builders.version(2))
    answer = catalogue.call("describe_node", {"node": "eu-a1"})
    assert answer["cordoned"] is True
    assert answer["snapshot"] == {"installation": "test", "epoch": 1, "sequence": 2}


_ACTIONS = {
    "RESTART_APP": Action.RESTART_APPLICATION,
    "RESET_GPU": Action.RESET_DEVICE,
    "RESTART_BM": Action.RESTART_MACHINE,
    "IGNORE": Action.NONE,
    "WORKFLOW_NVLINK_ERR": Action.CHECK_LINK,
    "WORKFLOW_NVLINK5_ERR": Action.CHECK_LINK,
    "WORKFLOW_XID_45": Action.FOLLOW_OTHER_CODE,
    "WORKFLOW_XID_48": Action.RESET_DEVICE,
    "XID_154": Action.FOLLOW_OTHER_CODE,
}


@pytest.mark.skipif(not CASES.exists(), reason="the collected Xid catalogue is not beside this checkout")
def test_our_actions_are_those_of_the_vendors_catalogue() -> None:
    with CASES.open(encoding="utf-8-sig") as file:
        rows = {int(r["Code"]): r for r in csv.DictReader(file) if r["Type (XID)"] == "XID"}
    for code, (_, action) in KNOWN.items():
        bucket = rows[code]["Resolution Bucket (Immediate Action)"].strip()
        assert _ACTIONS[bucket] is action, (code, bucket)


def test_history_tells_which_fields_are_otherwise_now(catalogue: Catalogue) -> None:
    answer = catalogue.call("history", CALLS["history"])
    assert answer["changed"] == [{"field": "cordoned", "then": True, "now": False}]
    assert answer["as_of"] == {"installation": "test", "epoch": 1, "sequence": 6}


def test_pages_of_a_list_hold_everything_once(catalogue: Catalogue) -> None:
    names: list[Any] = []
    start: Any = 0
    while start is not None:
        page: Any = catalogue.call("list", {"kind": "node", "start": start, "limit": 3})
        names += [t["id"] for t in page["things"]]
        start = page["next"]
    assert names == sorted(n.id for n in builders.estate().nodes())


def test_failure_domains_go_up_to_the_site(catalogue: Catalogue) -> None:
    up: Any = catalogue.call("neighbours", {"kind": "accelerator", "id": "eu-a1/0", "direction": "up"})
    assert {"node/eu-a1", "rack/eu-a", "site/eu-de"} <= set(up["things"])


def test_an_answer_about_something_large_is_cut_and_says_how_to_read_on() -> None:
    """A rack of 400 nodes still fits into what a model reads, and nothing of it is out of reach."""
    names = tuple(NodeId(f"n{i}") for i in range(400))
    estate = FrozenEstate.of(builders.version(), builders.facts(racks=(builders.rack("eu-a", nodes=names),)))
    wide = Catalogue(lambda: estate, MaskEngine())
    answer: Any = wide.call("get", {"kind": "rack", "id": "eu-a"})
    assert len(json.dumps(answer)) < 4000
    assert answer["cut"] == {"nodes": 400}
    rest: Any = wide.call("get", {"kind": "rack", "id": "eu-a", "field": "nodes", "start": 390})
    assert rest["thing"]["nodes"] == list(names[390:])
