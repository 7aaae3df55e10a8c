"""The page on connecting a cluster is true: its commands are run as written, by a reader of a real cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.console.contacts import Somebodys
from tests.console.test_documents import commands, hold, ports, short_path, text_of

__all__ = ["ports", "short_path"]

pytestmark = [pytest.mark.kubernetes, pytest.mark.processes, pytest.mark.timeout(300)]


async def test_every_command_of_the_page_prints_what_it_says(
    somebodys: Somebodys, ports: dict[str, str], short_path: Path
) -> None:
    told = commands(text_of("connecting.md", ports))
    assert len(told) > 8
    await asyncio.to_thread(hold, told, ports, short_path, KUBECONFIG=str(somebodys.reader.kubeconfig))
