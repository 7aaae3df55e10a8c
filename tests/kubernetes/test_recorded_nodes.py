"""Node objects built around labels that were recorded in the field: what each of them is to the estate."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from estate.hardware import Health
from estate.ids import ClusterId
from tests import builders
from tools.kubernetes import nodes

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "cases" / "gpu_node_objects" / "nodes_DERIVED.yaml"

_MEANING = {
    "gpu-node-01": (7, "A100-PCIE-40GB-MIG-1g.5gb", 4_864, 36),
    "gpu-node-02": (2, "NVIDIA-A10G-SHARED", 11_514, 150),
    "gpu-node-03": (2, "NVIDIA-RTX-A6000", 49_140, 300),
    "gpu-node-04": (1, "Tesla-T4", 15_360, 70),
    "gpu-node-05": (1, "Tesla-V100-SXM2-16GB", 16_384, 300),
    "gpu-node-06": (1, "GRID-A100-8C", 8_192, 400),
}
"""Devices, model, mebibytes and watts of each."""


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded objects are not beside this checkout")
def test_the_recorded_nodes_mean_what_they_meant_in_the_field() -> None:
    found = {}
    for raw in yaml.safe_load_all(RECORDED.read_text()):
        raw["metadata"]["uid"] = f"uid-{raw['metadata']['name']}"  # an API server would give it
        reading = nodes.read(raw, builders.facts(), ClusterId("eu-1"))
        node = reading.node
        assert not reading.faults
        assert node.health is Health.HEALTHY
        assert {a.health for a in node.accelerators} == {Health.HEALTHY}
        kinds = {(a.model, a.memory_mebibytes) for a in node.accelerators}
        assert len(kinds) == 1
        found[node.name] = (len(node.accelerators), *kinds.pop(), reading.device_watts)
    assert found == _MEANING
