"""What only the database has: other installations' tables, a newer format, and a server that is not there."""

from __future__ import annotations

import psycopg
import pytest

from estate.errors import BadInput, NewerRecord, RetryLater
from estate.ids import InstallationId
from policies.ledger.postgres import PostgresLedger
from tests.builders import INSTALLATION

pytestmark = pytest.mark.postgres


async def test_tables_of_another_installation_or_a_newer_placet_are_refused(postgres_dsn: str) -> None:
    await (await PostgresLedger.open(postgres_dsn, INSTALLATION)).close()
    with pytest.raises(BadInput, match="belongs to installation `test`"):
        await PostgresLedger.open(postgres_dsn, InstallationId("other"))
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        await connection.execute("UPDATE ledger_settings SET value = '3' WHERE name = 'format'")
    with pytest.raises(NewerRecord, match="format 3"):
        await PostgresLedger.open(postgres_dsn, INSTALLATION)


async def test_a_server_that_does_not_answer_is_a_passing_fault(postgres_dsn: str) -> None:
    nowhere = postgres_dsn.replace("host=", "host=/nowhere")
    with pytest.raises(RetryLater, match="not available now"):
        await PostgresLedger.open(nowhere, INSTALLATION, patience_seconds=0.3)
