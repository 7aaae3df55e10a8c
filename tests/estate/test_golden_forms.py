"""The canonical forms that signatures and ledgers hold, byte for byte, with their digests.

A difference here breaks every signature and log that exists. A new version gets a new file and an upcast; a released
file is never edited. To write the file of a NEW record: `PLACET_WRITE_GOLDEN=1 pytest tests/estate -k golden`, which
refuses to replace one that is there.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from estate import canonical
from estate.approvals import Approval, Diff, Word, diff_line
from estate.changes import CordonNode, MoveWorkload, ReplicaMove, ScaleWorkload, SetPowerCap
from estate.deltas import Delta
from estate.hardware import Node
from estate.ids import (
    ComponentId,
    Digest,
    ExecutionId,
    ExecutorId,
    IncidentId,
    NodeId,
    PolicyId,
    SiteId,
    TenantId,
    WorkloadId,
)
from estate.items import Item
from estate.law import Facts, Registration
from estate.modes import Mode
from estate.notices import Notice, NoticeLine, Occasion
from estate.obligations import Canary, Notify, PostCheck, SnapshotFirst
from estate.observations import Severity, Whereabouts
from estate.outcomes import Ending, Outcome, StepResult
from estate.proposals import Lane, Proposal
from estate.readings import Gauge, Telemetry
from estate.records import Record
from estate.references import Ref
from estate.units import Watts
from estate.uses.running import ComponentSort, Maker
from estate.verdicts import Decision, Dimension, Failure, Verdict
from estate.warrants import Warrant
from estate.words import Role
from estate.workers import WorkerPresence
from estate.worlds import EstateFile
from tests import builders, telling
from tests import items as building
from tests.reserved import release, reserve, seat
from tools.reservations.pages import Key, Page, written
from tools.sensors.alarms import Alarm
from tools.sensors.keeping import Kept, KeptTold

GOLDEN = Path(__file__).parent.parent / "golden"
A, B = (Digest(f"sha256:{letter * 64}") for letter in "ab")


OWED = (Notify(roles=(Role.OPERATOR,)), SnapshotFirst(), Canary(steps=1, soak_seconds=60), PostCheck(after_seconds=300))


FACTS = builders.facts(registrations=())
"""As they were before anybody had to be registered."""


def _proposal(*made_by: Maker) -> Proposal:
    return builders.proposal(
        CordonNode(node=NodeId("eu-a1"), reason="xid 79"),
        MoveWorkload(
            workload=WorkloadId("a-serve"),
            moves=(ReplicaMove(replica=0, source=NodeId("eu-a1"), target=NodeId("eu-a3"), accelerators=(0, 1)),),
        ),
        ScaleWorkload(workload=WorkloadId("a-serve"), replicas=3, bindings=(builders.binding(2, "eu-a4", 0, 1),)),
        SetPowerCap(node=NodeId("eu-a2"), watts=Watts(4_000)),
        made_by=made_by,
    )


def _verdict() -> Verdict:
    return Verdict(
        installation=builders.INSTALLATION,
        incident=IncidentId("inc-1"),
        proposal=_proposal().digest,
        site=SiteId("eu-de"),
        lane=Lane.CASE,
        decision=Decision.FORBID,
        policies=(PolicyId("t0-sovereignty-legal"),),
        failures=(
            Failure(
                dimension=Dimension.LEGAL,
                policy=PolicyId("t0-sovereignty-legal"),
                about="workload/a-serve",
                needed="DE, FR",
                found="US",
                remedy="stay in eu-1",
                reason="somebody else could be compelled",
            ),
        ),
        mode=Mode.AUTOMATIC,
        snapshot=builders.version(),
        bundle=A,
        facts=FACTS.digest,
        read_set=B,
        decided_at=builders.START,
    )


def _warrant() -> Warrant:
    return Warrant(
        installation=builders.INSTALLATION,
        incident=IncidentId("inc-1"),
        proposal=_proposal().digest,
        verdict=_verdict().digest,
        bundle=A,
        facts=FACTS.digest,
        read_set=B,
        snapshot=builders.version(),
        site=SiteId("eu-de"),
        lane=Lane.CASE,
        steps=_proposal().steps,
        approvals=(A,),
        audience=ExecutorId("executor-1"),
        issued_at=builders.START,
        not_before=builders.START,
        expires_at=builders.START + timedelta(minutes=10),
        nonce="0123456789abcdef" * 2,
    )


def _approval() -> Approval:
    return Approval(
        installation=builders.INSTALLATION,
        incident=IncidentId("inc-1"),
        proposal=_proposal().digest,
        diff=B,
        word=Word.APPROVE,
        approver=builders.subject("ada"),
        at=builders.START,
    )


def _outcome() -> Outcome:
    return Outcome(
        installation=builders.INSTALLATION,
        incident=IncidentId("inc-1"),
        proposal=_proposal().digest,
        warrant=_warrant().digest,
        execution=ExecutionId("exec-1"),
        site=SiteId("eu-de"),
        lane=Lane.CASE,
        ending=Ending.ROLLED_BACK,
        steps=(StepResult(number=1, applied=True, undone=True),),
        reason="step 2 failed",
        at=builders.START,
    )


def _registration() -> Registration:
    """With every field that came later."""
    image = builders.registration("image").content
    return builders.registration("agent-1", sort=ComponentSort.AGENT, images=(image,), valid_until=builders.START)


def _all_that_the_law_may_say() -> Facts:
    """Facts with every field that came after the first release."""
    form: dict[str, Any] = FACTS.json_form()
    until = "2027-06-30T00:00:00.000000Z"
    form["entities"][0] |= {
        "parents": ["acme"],
        "holdings": [{"holder": "acme", "capital": 600, "votes": 600, "control": "majority"}],
        "ultimate_parent": "acme",
        "compulsions": [{"country": "DE", "statute": "StPO 94", "reaches": ["data"]}],
    }
    form["clusters"][0] |= {
        "control_plane_in": ["DE"],
        "key_model": "hyok",
        "certificates": [{"scheme": "C5", "issuer": "auditor", "scope": "all", "valid_until": until}],
    }
    quota = {"site": "eu-de", "accelerators": 64_000}
    form["tenants"][1] |= {"parent": "tenant-a", "level": "division", "quotas": [quota]}
    form["datasets"][0] |= {
        "sort": "weights",
        "data_class": "restricted",
        "transfers": [{"instrument": "adequacy", "to": ["FR"], "basis": "test", "valid_until": until}],
    }
    return Facts.read(form)


def _all_that_is_known_of_a_node() -> Node:
    """A node and a device with every field that came after the first release."""
    fault = {"code": "xid-79", "count": 2, "first_at": builders.START, "last_at": builders.START}
    device = builders.accelerator().model_dump() | {
        "vendor": "nvidia",
        "generation": "hopper",
        "serial": "SN-1-0",
        "nvlink_clique": "0",
        "numa_node": 0,
        "pcie_switch": "s0",
        "partitioned": True,
        "partitions": [{"index": 0, "profile": "1g.10gb", "uuid": "MIG-1", "memory_mebibytes": 9_984}],
        "power_limit_watts": 700,
        "throttled_by": ["hardware-thermal"],
        "faults": [fault],
        "firmware": "96.00",
        "end_of_life": builders.START,
    }
    node = builders.node().model_dump() | {
        "accelerators": [device],
        "serial": "SN-1",
        "system_uuid": "uuid-1",
        "provider_id": "aws:///1",
        "product": "dgx-h100",
        "sockets": 2,
        "memory_mebibytes": 2_097_152,
        "numa_nodes": [{"index": 0, "cpus": 96, "memory_mebibytes": 1_048_576}],
        "pcie_switches": [{"name": "s0", "numa_node": 0, "lanes": 16, "generation": 5}],
        "nics": [{"name": "mlx5_0", "use": "rdma", "rail": 0, "switch": "leaf-0", "speed": 400_000, "state": "up"}],
        "disks": [{"name": "nvme0n1", "mebibytes": 29_296_875}],
        "software": [{"name": "driver", "version": "580.95.05"}],
        "end_of_life": builders.START,
        "origins": [{"layer": "hardware", "source": "redfish/1", "observed_at": builders.START}],
    }
    return Node.model_validate(node)


def _upgradable() -> Item:
    """A cluster that its system would upgrade, two of whose fields two sources said."""
    made = {"template": "gpu-cluster", "version": "1.2.0", "upgrades_to": ["gpu-cluster-1-3"]}
    origin = {"layer": "health", "source": "redfish/1", "observed_at": builders.START, "fields": ["state"]}
    return building.item("cluster", made_from=made, origins=[origin])


def _reservations() -> Page:
    """One that stands, and one that was given back."""
    key = Key(proposal=A, step="sha256:a:1:do")
    page = written(Page(), key, reserve("b-night", "tenant-b", seat("eu-b2", 0, 1)), (), builders.START)
    for change in (reserve("a-late", "tenant-a", seat("eu-b3", 7), workload="a-serve"), release("a-late", "tenant-a")):
        assert isinstance(page, Page)
        page = written(page, Key(proposal=B, step=f"{change.kind}:do"), change, (), builders.START)
    assert isinstance(page, Page)
    return page


_PROVISIONED = ("machine-group", "health-check")
_CAME_LATER = frozenset({"part", "source", "reservation", *_PROVISIONED})


RECORDS: dict[str, Record] = {
    "facts.v1": FACTS,
    "facts-later.v1": _all_that_the_law_may_say(),
    "event.v1": builders.event(),
    "proposal.v1": _proposal(),
    "proposal-made.v1": _proposal(builders.maker(), builders.maker("place", ComponentSort.TOOL)),
    "facts-registered.v1": builders.facts(registrations=(_registration(),)),
    "worker.v1": WorkerPresence(
        installation=builders.INSTALLATION,
        agent=ComponentId("agent"),
        worker="w-1",
        at=builders.START,
        runs=(builders.maker(),),
    ),
    "diff.v1": Diff(proposal=_proposal().digest, lines=tuple(diff_line(s) for s in _proposal().steps)),
    "verdict.v1": _verdict(),
    "approval.v1": _approval(),
    "warrant.v1": _warrant(),
    "warrant-owed.v1": _warrant().model_copy(update={"obligations": OWED}),
    "verdict-owed.v1": _verdict().model_copy(
        update={"obligations": OWED, "approve_by": builders.START, "execute_within_seconds": 600}
    ),
    "notice.v1": Notice(
        installation=builders.INSTALLATION,
        incident=IncidentId("inc-1"),
        proposal=A,
        execution=ExecutionId("exec-1"),
        site=SiteId("eu-de"),
        occasion=Occasion.BEGINS,
        roles=(Role.OPERATOR, Role.TENANT_OWNER),
        tenants=(TenantId("tenant-a"),),
        lines=(NoticeLine(text="1. fence eu-a1", tenants=(TenantId("tenant-a"),)), NoticeLine(text="2. cap eu-a3")),
        at=builders.START,
    ),
    "outcome.v1": _outcome(),
    "estate.v1": EstateFile(
        declared_at=builders.START, items=tuple(i for i in building.all_kinds() if i.kind not in _CAME_LATER)
    ),
    "reservations.v1": _reservations(),
    "delta-heard.v1": Delta(
        version=builders.version(4), at=builders.START, items=(building.item("part"), building.item("source"))
    ),
    "delta-provisioned.v1": Delta(
        version=builders.version(5), at=builders.START, items=(*map(building.item, _PROVISIONED), _upgradable())
    ),
    "telemetry-apart.v1": Telemetry(
        installation=builders.INSTALLATION,
        epoch=1,
        source="prometheus/main",
        at=builders.START,
        after=(0, 1_500),
        things=("node/eu-a1", "port/eu-a1/mlx5_0/1"),
        columns={Gauge.LINK_UP.value: (1, 0)},
    ),
    "telemetry.v1": Telemetry(
        installation=builders.INSTALLATION,
        epoch=1,
        source="prometheus/main",
        at=builders.START,
        devices=("GPU-eu-a1-0", "GPU-eu-a1-1"),
        columns={gauge.value: (1, None) for gauge in Gauge},
    ),
    "sensor-cell.v1": Kept(
        sensor="power",
        subject="rack/eu-a",
        memory={"points": [[1_763_712_000, 21_500]]},
        alarms={"exceeded": Alarm(bad_since=builders.START, raised_at=builders.START, occurrence=2)},
        told={
            "exceeded": KeptTold(
                whereabouts=Whereabouts(rack="eu-a"), code="power-exceeded", severity=Severity.CRITICAL
            )
        },
        due=builders.START,
    ),
    "delta-later.v1": Delta(
        version=builders.version(3),
        at=builders.START,
        nodes=(_all_that_is_known_of_a_node(),),
        items=(building.item("pdu"),),
        removed_items=(Ref("row", "eu-row-1"),),
    ),
    "delta-told.v1": Delta(version=builders.version(4), at=builders.START, alterations=telling.all_alterations()),
    "delta.v1": Delta(version=builders.version(2), at=builders.START, removed_nodes=(NodeId("eu-a4"),)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_golden_form_is_what_is_written_today(name: str) -> None:
    path, record = GOLDEN / f"{name}.json", RECORDS[name]
    if os.environ.get("PLACET_WRITE_GOLDEN") and not path.exists():
        path.write_bytes(record.canonical() + b"\n" + record.digest.encode() + b"\n")
    form, digest = path.read_bytes().splitlines()
    assert record.canonical() == form
    assert record.digest == digest.decode()


@pytest.mark.parametrize("name", RECORDS)
def test_a_golden_form_is_read_as_the_record_it_was(name: str) -> None:
    form, digest = (GOLDEN / f"{name}.json").read_bytes().splitlines()
    assert type(RECORDS[name]).read(form) == RECORDS[name]
    assert canonical.digest(form) == digest.decode()


def test_every_golden_file_has_its_record() -> None:
    assert {p.name.removesuffix(".json") for p in GOLDEN.glob("*.v*.json")} == set(RECORDS)
