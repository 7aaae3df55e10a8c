"""What comes straight off an API server's JSON means what the object means that is read whole."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.hardware import Node
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.workloads import Binding
from tests import builders
from tests.kubernetes import raws
from tools.inventory.columns import changes
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.origins import Told
from tools.inventory.kubernetes.decoding import Nodes, Pods, Seat
from tools.kubernetes import nodes

FACTS, CLUSTER = builders.facts(), ClusterId("eu-1")
TOLD = Told("kubernetes/eu-1", 1)
_OWN = {"key": "placet.dev/fault", "effect": "NoSchedule"}
_taints = st.sampled_from(
    (None, [], [_OWN], [{"key": "a", "value": "b", "effect": "NoExecute"}, _OWN], [{"key": "a", "effect": "Soon"}], 7)
)
_ready = st.sampled_from(("True", "False", "Unknown"))


@st.composite
def sights(draw: st.DrawFn) -> bytes:
    """One of two nodes as a watch shows it: mostly as before, now and then another machine, or nonsense."""
    raw = raws.node(
        draw(st.sampled_from(("eu-a1", "eu-a2"))),
        gpus=draw(st.sampled_from((8, 8, 8, 4))),
        allots=draw(st.sampled_from((4, 4, 4, 3))),
        ready=draw(_ready),
    )
    raw["spec"] = {"unschedulable": draw(st.sampled_from((None, True, False, "no"))), "taints": draw(_taints)}
    raw["status"]["conditions"].append({"type": "DiskPressure", "status": draw(st.sampled_from(("True", "False")))})
    return orjson.dumps(draw(st.sampled_from((raw, raw, raw, raw, {**raw, "status": "gone"}))))


@given(st.lists(st.lists(sights(), max_size=4), max_size=5))
@settings(max_examples=60, deadline=None)
def test_facts_and_wholes_make_the_nodes_that_their_objects_are(batches: list[list[bytes]]) -> None:
    lane, inventory = Nodes(lambda raw: nodes.read(raw, FACTS, CLUSTER)), Inventory(FACTS)
    expected: dict[NodeId, Node] = {}
    for batch in batches:
        for raw in batch:  # facts of one watch's batch are taken before the wholes of it: one object at a time is exact
            told = lane.take((raw,))
            seen = [changes.NodeSeen(lane.know(whole).node) for whole in told.whole]
            inventory.take([*told.changes, *seen], TOLD)
            node = nodes.read(orjson.loads(raw), FACTS, CLUSTER).node
            expected[node.id] = node
    snapshot = inventory.snapshot(builders.version())
    assert {n.id: n for n in snapshot.nodes()} == expected


def test_a_heartbeat_is_nothing_and_a_cordon_is_one_fact() -> None:
    lane = Nodes(lambda raw: nodes.read(raw, FACTS, CLUSTER))
    raw = raws.node("eu-a1")
    lane.know(orjson.dumps(raw))
    raw["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-11-26T08:00:00Z"
    assert lane.take([orjson.dumps(raw)]).changes == []
    raw["spec"]["unschedulable"] = True
    told = lane.take([orjson.dumps(raw)] * 2)
    assert (told.changes, told.whole) == ([changes.Cordoned(NodeId("eu-a1"), True)], [])


class TestPods:
    SEAT = Seat(WorkloadId("eu-1.tenant-a.job.train"), 3, "n1", (0, 1))

    def lane(self, *, seated: bool = True) -> Pods:
        return Pods(lambda uid, node: self.SEAT if seated else None, lambda name: NodeId(f"eu-1.{name}"))

    def pod(self, node: str = "", phase: str = "Pending", **spec: Any) -> bytes:
        place = {"nodeName": node} if node else {}
        raw = {"metadata": raws.metadata("train-3", "tenant-a"), "spec": {"containers": [], **place, **spec}}
        return orjson.dumps(raw | {"status": {"phase": phase}})

    def test_a_pod_is_bound_and_ends(self) -> None:
        lane = self.lane()
        lane.know(self.pod())
        told = lane.take([self.pod(), self.pod("n1"), self.pod("n1", "Running"), self.pod("n1", "Succeeded")])
        bound = Binding(replica=3, node=NodeId("eu-1.n1"), accelerators=(0, 1))
        assert told.whole == []
        assert told.changes == [changes.Bound(self.SEAT.workload, bound), changes.Unbound(self.SEAT.workload, 3)]

    def test_one_that_goes_leaves_its_place_once(self) -> None:
        lane = self.lane()
        lane.know(self.pod("n1", "Running"))
        uid = raws.metadata("train-3", "tenant-a")["uid"]
        assert [lane.drop(uid), lane.drop(uid)] == [changes.Unbound(self.SEAT.workload, 3), None]

    def test_what_asks_for_something_else_or_has_no_seat_is_read_whole(self) -> None:
        lane, homeless = self.lane(), self.lane(seated=False)
        lane.know(self.pod())
        homeless.know(self.pod())
        other, placed, strange = self.pod(priority=9), self.pod("n1"), orjson.dumps({"metadata": {}, "spec": 1})
        assert lane.take([other, strange]).whole == [other, strange]
        assert homeless.take([placed]).whole == [placed]
