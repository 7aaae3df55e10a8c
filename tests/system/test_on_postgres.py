"""The whole path with PostgreSQL under ledger and checkpoints; an approval outlives a restart of everything."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from console.config import Config
from console.door.commands import Propose
from estate.changes import ScaleWorkload
from estate.identities import Role
from estate.ids import WorkloadId
from estate.incidents import CaseState
from policies.ledger.port import EntryKind
from policies.ledger.verifier_keys import VerifierKey
from policies.ledger.verifying import verify
from tests.system.composed import SPARE, Composed, founded, settings, started, until

pytestmark = [pytest.mark.nats, pytest.mark.postgres, pytest.mark.xdist_group("system-1")]

PAUSE = Propose(summary="pause it", changes=(ScaleWorkload(workload=WorkloadId("b-segmentation"), replicas=0),))


def on_postgres(dsn: str) -> Config:
    """The two settings."""
    return settings(ledger=dsn, checkpoints=dsn)


async def test_an_approval_outlives_a_restart_and_everything_is_in_the_database(
    tmp_path: Path, postgres_dsn: str
) -> None:
    state, settled = founded(tmp_path / "state"), on_postgres(postgres_dsn)
    async with started(state, settled) as before:
        await before.enrol("grace", Role.TENANT_OWNER, tenants=("tenant-b",))
        incident = (await before.tell(PAUSE))["incident"]
        await before.waiting(incident)
        await fenced(before)
    assert not state.ledger_path.exists(), "nothing of the ledger is in a file"
    async with started(state, settled) as after:
        await after.waiting(incident)
        given = await after.sign("grace", incident)
        assert given.ok, given.message
        assert (await after.ended(incident)).state is CaseState.VERIFIED
        workload = (await after.system.world.snapshot()).workload(WorkloadId("b-segmentation"))
        assert workload is not None
        assert workload.replicas == 0
        await verifies(after)
    tables = rows(postgres_dsn)
    assert tables["ledger_entries"] > 10
    assert any("checkpoint" in name for name in tables)


async def fenced(composed: Composed) -> None:
    """The fast path, on the same database."""
    assert (await composed.post(await composed.good())).is_success
    await until(lambda: composed.cordoned(SPARE))

    async def over() -> bool:
        return bool(await composed.entries(EntryKind.OUTCOME))

    await until(over)


async def verifies(composed: Composed) -> None:
    """The export verifies offline, like any other."""
    lines = [line async for line in composed.system.ledger.export()]
    key = VerifierKey.parse((composed.state.root / "ledger.vkey").read_text().strip())
    report = verify(lines, (key,))
    assert report.holds, report.fault


def rows(dsn: str) -> dict[str, int]:
    """How many rows each table has."""
    with psycopg.connect(dsn) as connection:
        names = [str(n) for (n,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        counts = {}
        for name in names:
            row = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            assert row is not None
            counts[name] = int(row[0])
    return counts
