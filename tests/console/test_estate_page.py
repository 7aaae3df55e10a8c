"""The page on describing an estate is true: its commands are run as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.test_documents import commands, hold, ports, short_path, text_of

__all__ = ["ports", "short_path"]

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_every_command_of_the_page_prints_what_it_says(ports: dict[str, str], short_path: Path) -> None:
    told = commands(text_of("estate.md", ports))
    assert len(told) > 8
    hold(told, ports, short_path)
