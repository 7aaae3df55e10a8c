"""One item of each kind, and the facilities of the small estate of `tests.builders`. A test states only what counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from estate import items
from estate.items import Item
from tests import builders

UNTIL = (builders.START + timedelta(days=30)).isoformat()

SAMPLES: dict[str, dict[str, Any]] = {
    "part": {"id": "node.eu-a1.powersupplies-1", "of": "node/eu-a1", "name": "PSU 2", "state": "failed"},
    "source": {"id": "redfish.bmc-1", "source": "redfish/bmc-1", "speech": "speaks"},
    "region": {"id": "eu-central", "country": "DE"},
    "site": {"id": "eu-de", "region": "eu-central", "power_watts": 5_000_000},
    "row": {"id": "eu-row-1", "site": "eu-de", "hall": "H1", "floor": 0},
    "rack": {
        "id": "eu-a",
        "row": "eu-row-1",
        "units": 48,
        "pdus": ["eu-a-pdu-a", "eu-a-pdu-b"],
        "cdus": ["eu-cdu-1"],
        "cooling": [{"method": "direct-to-chip", "watts": 80_000}],
    },
    "substation": {"id": "eu-sub", "site": "eu-de", "capacity_watts": 20_000_000},
    "transformer": {"id": "eu-tx-1", "substation": "eu-sub", "capacity_watts": 5_000_000},
    "ups": {"id": "eu-ups-a", "transformer": "eu-tx-1", "capacity_watts": 2_000_000, "runtime": 600},
    "generator": {"id": "eu-gen-1", "site": "eu-de", "feeds": ["eu-ups-a"], "capacity_watts": 3_000_000},
    "feed": {"id": "eu-feed-a", "ups": "eu-ups-a", "capacity_watts": 1_000_000, "redundancy": "2n"},
    "pdu": {"id": "eu-a-pdu-a", "feed": "eu-feed-a", "rack": "eu-a", "capacity_watts": 40_000, "budget_watts": 22_000},
    "loop": {"id": "eu-loop-1", "site": "eu-de", "capacity_watts": 4_000_000, "supply": 30_000},
    "cdu": {
        "id": "eu-cdu-1",
        "loop": "eu-loop-1",
        "capacity_watts": 800_000,
        "leak_sensors": [{"name": "under-row", "wet": False}],
    },
    "machine": {
        "id": "spare-1",
        "stage": "spare",
        "site": "eu-de",
        "lacks": ["optics"],
        "accelerators": [{"vendor": "amd", "model": "MI300X", "count": 8}],
        "aliases": [{"kind": "serial", "value": "SN-1"}],
    },
    "fabric": {"id": "eu-rdma", "sort": "rdma", "technology": "infiniband-ndr", "site": "eu-de", "rails": 8},
    "switch": {"id": "leaf-eu-a", "fabric": "eu-rdma", "tier": "leaf", "row": "eu-row-1", "state": "ok"},
    "link": {
        "id": "eu-a-up-1",
        "fabric": "eu-rdma",
        "ends": [{"of": "switch/leaf-eu-a", "port": "33"}, {"of": "switch/spine-1", "port": "1"}],
        "capacity": 400_000,
        "used": 120_000,
        "state": "up",
    },
    "nvlink-domain": {"id": "eu-a1-nvl", "per_accelerator": 3_600_000, "size": 8, "state": "up"},
    "storage": {"id": "eu-lustre", "site": "eu-de", "sort": "parallel", "clusters": ["eu-1"], "read": 200_000},
    "copy": {"id": "a-records-eu", "dataset": "a-records", "storage": "eu-lustre"},
    "cluster": {"id": "eu-1", "version": "1.36.3", "made_from": {"template": "gpu-cluster", "version": "1.2.0"}},
    "virtual-machine": {
        "id": "vm-1",
        "cluster": "eu-1",
        "node": "eu-a1",
        "accelerators": [{"node": "eu-a1", "index": 0}],
    },
    "machine-group": {"id": "eu-1-gpu", "cluster": "eu-1", "sort": "workers", "wanted": 4, "ready": 3},
    "health-check": {
        "id": "eu-1-mhc",
        "cluster": "eu-1",
        "triggers": [{"condition": "Ready", "status": "False", "after": "300s"}],
        "stops_above": "40%",
    },
    "template": {"id": "gpu-cluster", "sort": "cluster", "revisions": [{"version": "1.2.0"}]},
    "contract": {
        "id": "a-serve",
        "workload": "a-serve",
        "objectives": [{"measure": "time-to-first-token-milliseconds", "bound": 300}],
    },
    "model-server": {"id": "a-serve", "workload": "a-serve", "engine": "vllm", "model": "a-records"},
    "component": {"id": "planner", "sort": "agent", "owner": "tenant-a", "runs_in": ["a-serve"]},
    "price": {
        "id": "eu-kwh",
        "unit": "kilowatt-hour",
        "amount": 180_000,
        "site": "eu-de",
        "stated_by": "supply contract 7",
        "valid_until": UNTIL,
    },
    "offer": {
        "id": "us-spot",
        "provider": "us-cloud",
        "model": "H100-SXM5-80GB",
        "available": 16,
        "spot": True,
        "notices": [{"node": "us-a1", "leaves_at": UNTIL}],
        "valid_until": UNTIL,
    },
    "reservation": {
        "id": "a-night",
        "tenant": "tenant-a",
        "workload": "a-serve",
        "seats": [{"node": "eu-a3", "accelerators": [0, 1]}],
        "watts_per_accelerator": 700,
        "start": builders.START.isoformat(),
        "end": UNTIL,
    },
}
"""The fields of one item of each kind; they name each other, and the small estate."""


def item(kind: str, **over: Any) -> Item:
    """The sample of that kind, with `over` in the place of whole fields."""
    return items.adapter.validate_python({"kind": kind, **SAMPLES[kind], **over})


def all_kinds() -> tuple[Item, ...]:
    """One of each."""
    return tuple(item(kind) for kind in SAMPLES)
