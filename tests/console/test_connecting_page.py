"""The page on connecting a cluster is true: its commands are run as written, by a reader of a real cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.console.contacts import Somebodys
from tests.console.test_documents import REPOSITORY, check, commands, short_path

__all__ = ["short_path"]

pytestmark = [pytest.mark.kubernetes, pytest.mark.processes, pytest.mark.timeout(300)]


async def test_every_command_of_the_page_prints_what_it_says(somebodys: Somebodys, short_path: Path) -> None:
    told = commands((REPOSITORY / "docs" / "connecting.md").read_text())
    assert len(told) > 8
    environment = {"PLACET_STATE_DIR": str(short_path / "state"), "KUBECONFIG": str(somebodys.reader.kubeconfig)}
    await asyncio.to_thread(check, told, short_path, environment)
