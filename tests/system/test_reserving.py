"""Capacity reserved on a running system as people do it: asked for, granted, told to all, kept, and given back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from estate import reserving
from estate.changes import MoveWorkload, ReplicaMove
from estate.ids import ReservationId
from estate.outcomes import Ending
from estate.verdicts import Decision
from policies.ledger.port import EntryKind
from tests.system.composed import Composed, until
from tests.system.petitions import Petitioner

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system-1")]


async def test_what_is_reserved_is_known_to_all_and_kept_until_it_is_released(shared: Composed) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=6)
    asked = ("offer", "--tenant", "tenant-a", "--accelerators", "4", "--site", "eu-de", "--from", start.isoformat())
    until_then = ("--until", (start + timedelta(hours=2)).isoformat())
    late = await shared.cli(*asked, "--until", (start - timedelta(hours=1)).isoformat())
    assert (late[0], "end: `" in late[2], "is not after the start" in late[2]) == (2, True, True), late

    code, out, err = await shared.cli(*asked, *until_then, "--reserve", "-o", "json")
    assert code == 0, err
    assert json.loads(out)["state"] == "verified", out
    code, out, err = await shared.cli("get", "reservations", "-o", "json")
    (held,) = json.loads(out)
    assert (held["tenant"], held["start"]) == ("tenant-a", start.isoformat(timespec="microseconds")[:-6] + "Z"), err
    name, gate = ReservationId(held["name"]), shared.system.inventories["gate"]
    entries = [e async for e in shared.system.ledger.entries(kind=EntryKind.ISSUED)]
    assert held["proposal"] in {e.proposal for e in entries}, "by a warrant that stands in the ledger"

    known = reserving.found(gate.newest(), name)
    assert known is not None
    (seat,) = known.seats
    here = (w for w in gate.newest().workloads() if w.tenant != "tenant-a" and w.cluster == "eu-1" and w.bindings)
    other = next(w for w in here if 0 < w.contract.accelerators_per_replica <= 4)
    there = seat.accelerators[: other.contract.accelerators_per_replica]
    sits = other.bindings[0]
    onto = ReplicaMove(replica=sits.replica, source=sits.node, target=seat.node, accelerators=there)
    verdict = await Petitioner(shared).judged(MoveWorkload(workload=other.id, moves=(onto,)))
    assert verdict.decision is Decision.FORBID
    assert name in str([f.found for f in verdict.failures if f.policy == "reservation-kept"])

    code, out, err = await shared.cli("release", "reservation", name, "--reason", "not needed", "-o", "json")
    assert code == 0, err

    async def gone() -> bool:
        return reserving.found(gate.newest(), name) is None

    await until(gone)
    ended = [e async for e in shared.system.ledger.entries(kind=EntryKind.OUTCOME)]
    assert Ending.VERIFIED.value in str(ended[-1].body)
