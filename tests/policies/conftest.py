"""A gate on each ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Ledger
from policies.ledger.sqlite import SqliteLedger
from tests.builders import INSTALLATION
from tests.policies.gates import House


@pytest.fixture(params=["memory", "sqlite"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A gate on each ledger."""
    if request.param == "memory":
        ledger: Ledger = MemoryLedger(INSTALLATION)
    else:
        ledger = await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    yield House(ledger)
    await ledger.close()
