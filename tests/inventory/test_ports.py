"""What machines, BMCs and switches say of ports and links is seen where people, placement and sensors look."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from estate.fabrics.links import Link
from estate.hardware import Node
from estate.ids import NodeId
from estate.machines import LinkState, Nic, NicUse
from estate.references import Ref
from estate.units import MegabitsPerSecond
from tests import builders
from tests import items as building
from tests.inventory.test_claims import Model, heard
from tests.payloads.conftest import cases  # noqa: F401 - a fixture
from tests.sensors.series import Series
from tools.payloads import contexts
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Writing
from tools.payloads.formats import FACTS
from tools.payloads.hosts.infiniband import DEVICE
from tools.payloads.parsed import Parsed
from tools.views.sums import Sums
from tools.views.topologies import Scope, topology

HOST = "eu-a1.eu.example"
SYSFS = "gpu_node_logs/infiniband-sysfs-h100-mlx5_0.json"
LEAF, SPINE = {"of": "switch/leaf-eu-a", "port": "e1"}, {"of": "switch/spine-1", "port": "e9"}


def understood(format: str, body: bytes, host: str = HOST) -> Parsed:
    return FACTS[format](body, {DEVICE: "mlx5_0"} | contexts.headers(Context("files/x", host)))


def node(model: Model) -> Node:
    found = model.estate.node(NodeId("eu-a1"))
    assert found is not None
    return found


def hear(model: Model, parsed: Parsed, target: str = "mlx") -> bool:
    return model.hear(replace(heard(*parsed.facts, target=target), readings=(parsed.readings,)), "files")


def sample(series: str, value: float) -> Parsed:
    return understood("exposition", f"{series} {value}\n".encode())


def test_a_port_that_sysfs_says_is_down_is_down_for_node_topology_and_sensor(cases: Path) -> None:  # noqa: F811
    """The recorded adapter of an H100 machine, as it was, and with its port unplugged."""
    up = (cases / SYSFS).read_bytes()
    down = up.replace(b"4: ACTIVE", b"1: DOWN").replace(b"5: LinkUp", b"2: Polling")
    assert up != down
    model = Model()
    assert hear(model, understood("infiniband", up))
    series = Series(model.estate).begin()
    assert node(model).nics == (
        Nic(name="mlx5_0", use=NicUse.RDMA, speed=MegabitsPerSecond(400_000), state=LinkState.UP),
    )
    assert not hear(model, understood("infiniband", up)), "who says the same changes nothing"
    assert hear(model, understood("infiniband", down))
    assert node(model).nics[0].state is LinkState.DOWN
    (origin,) = node(model).origins
    assert (origin.source, origin.fields) == ("files/mlx", ("nics",))
    series.put(node(model))
    series.wait(30, 5)
    (told,) = series.of("link-state")
    assert (told.whereabouts.node_name, told.resolved) == (node(model).name, False)
    figures = [s.figures for s in topology(Sums.of(model.estate), Scope()).sites if s.id == "eu-de"]
    assert [f.links_down for f in figures] == [1]


def test_what_a_cluster_declares_of_a_port_is_kept_and_only_what_is_seen_is_added() -> None:
    declared = Nic(name="mlx5_0", use=NicUse.RDMA, rail=3, switch="leaf-3", port="p1", speed=MegabitsPerSecond(400_000))
    model = Model(nics=(declared.model_copy(update={"state": LinkState.UP}),))
    for state, rate, expected in (
        ("4: ACTIVE", "400 Gb/sec (4X NDR)", LinkState.UP),
        ("4: ACTIVE", "200 Gb/sec (2X NDR)", LinkState.DEGRADED),
        ("2: INIT", "400 Gb/sec (4X NDR)", LinkState.DOWN),
    ):
        files = {"mlx5_0/ports/1/state": state, "mlx5_0/ports/1/rate": rate}
        hear(model, understood("infiniband", json.dumps(files).encode()))
        assert node(model).nics == (declared.model_copy(update={"state": expected}),)
    assert model.conflicts == []


def test_a_bmc_tells_where_a_port_is_plugged_in() -> None:
    path = "/redfish/v1/Chassis/1/NetworkAdapters/NIC.1/Ports/NIC.1-1"
    port = {
        "@odata.id": path,
        "@odata.type": "#Port.v1_9_0.Port",
        "Id": "1",
        "LinkNetworkTechnology": "Ethernet",
        "LinkStatus": "LinkDown",
        "CurrentSpeedGbps": 100,
        "Ethernet": {"LLDPReceive": {"SystemName": "leaf-eu-a", "PortId": "e1"}},
    }
    model = Model()
    parsed = understood("redfish", json.dumps(port).encode(), "bmc-1")
    said = heard(*parsed.facts, things={"": Ref("node", "eu-a1")})
    assert model.hear(replace(said, readings=(parsed.readings,)))
    (nic,) = node(model).nics
    assert (nic.name, nic.use, nic.switch, nic.port) == ("NIC.1-1", NicUse.DATA, "leaf-eu-a", "e1")
    assert (nic.state, nic.speed) == (LinkState.DOWN, 100_000)


def test_a_link_that_a_switch_says_is_down_is_down_until_it_says_otherwise() -> None:
    """Also where its owner declared it up: a declaration is no observation. Nobody else's fields are touched."""
    declared = building.item("link", id="up-1", ends=[LEAF, SPINE], state="up", capacity=400_000)
    assert isinstance(declared, Link)
    model = Model(declared)
    switch = 'instance="leaf-eu-a",ifName="e1"'

    def link() -> Link:
        found = model.estate.stock.get(declared.ref)
        assert isinstance(found, Link)
        return found

    hear(model, sample(f"ifOperStatus{{{switch}}}", 2), "leaf")
    assert (link().state, link().capacity) == (LinkState.DOWN, 400_000)
    assert [(o.source, o.fields) for o in link().origins if o.fields] == [("files/leaf", ("state",))]
    hear(model, sample(f"ifHighSpeed{{{switch}}} 100000\nifOperStatus{{{switch}}}", 1), "leaf")
    assert link().state is LinkState.DEGRADED
    hear(model, sample(f"ifOperStatus{{{switch}}}", 1), "leaf")
    assert link().model_copy(update={"origins": ()}) == declared.model_copy(update={"origins": ()})
    assert model.conflicts == []
    hear(model, sample('ifOperStatus{instance="leaf-eu-a",ifName="e77"}', 2), "leaf")
    assert link().state is LinkState.UP, "of a link that nobody declares nothing is made up"


def test_of_a_large_fabric_only_the_ports_that_are_down_are_looked_at() -> None:
    model, writing = Model(), Writing("prometheus/main", builders.START)
    for number in range(600):
        host = HOST if number == 7 else f"host-{number}"
        writing.add(Mention(MentionKind.PORT, "mlx5_1/1", host), Metric.PORT_UP, float(number != 7))
    model.hear(replace(heard(target="main"), readings=(writing.done(),)), "prometheus")
    assert [(n.name, n.state) for n in node(model).nics] == [("mlx5_1", LinkState.DOWN)]
    assert model.source("prometheus.main").unresolved == 0


def test_an_nvlink_that_carries_nothing_beside_others_that_do_is_a_part_that_is_not_well() -> None:
    model = Model()
    gpu = "GPU 0: NVIDIA H100 (UUID: GPU-00000000-0000-0000-0000-000000000001)\n"
    uuid = "GPU-00000000-0000-0000-0000-000000000001"
    device = node(model).accelerators[0].model_copy(update={"uuid": uuid})
    model = Model(accelerators=(device,))
    hear(model, understood("nvlink", f"{gpu} Link 0: 26.562 GB/s\n Link 1: <inactive>\n".encode()))
    assert set(model.parts()) == {"accelerator/eu-a1/0/link/1"}
    hear(model, understood("nvlink", f"{gpu} Link 0: <inactive>\n Link 1: <inactive>\n".encode()))
    assert model.parts() == {}, "a device that has none of its links in use may be meant so"
