"""The pages for users are true: each `console` block is run, in order, and its output compared.

A line `$ …` is a command, `> …` its continuation, anything else what it prints (stdout and stderr). `…` stands for
any text of a line, and alone on a line for any lines.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import surroundings

pytestmark = [
    pytest.mark.nats,
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]
REPOSITORY = Path(__file__).resolve().parents[2]
MARK = "\x01"
PROLOGUE = "exec 2>&1 < /dev/null\ntrap 'kill $(jobs -p) 2> /dev/null; wait' EXIT\n"


@dataclass(slots=True)
class Command:
    """What a page tells to type, and what it says will be printed."""

    typed: str
    printed: list[str]


def commands(page: str) -> list[Command]:
    found: list[Command] = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:], []))
            elif line.startswith("> "):
                found[-1].typed += f"\n{line[2:]}"
            else:
                found[-1].printed.append(line)
    return found


def script(told: list[Command]) -> str:
    """One session: a command sees what those before it set, and the exit code of the last one."""
    after = f"\ncode=$?; printf '{MARK}'; (exit $code)\n"
    return PROLOGUE + "".join(command.typed + after for command in told)


def expected(printed: list[str]) -> re.Pattern[str]:
    lines = [r"(?:.*\n)*?" if line == "…" else _line(line) for line in printed]
    return re.compile("".join(lines))


def _line(line: str) -> str:
    return ".*".join(re.escape(part.strip()) if "…" in line else re.escape(part) for part in line.split("…")) + " *\n"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """pytest's own folders have names so long that a table folds them."""
    with tempfile.TemporaryDirectory(prefix="placet-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("page", ["events.md", "operations.md"])
def test_every_command_of_a_page_prints_what_the_page_says(page: str, short_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = commands((REPOSITORY / "docs" / page).read_text().replace("8090", port))
    assert len(told) > 15
    check(told, short_path, {"PLACET_STATE_DIR": str(short_path / "state"), "PLACET_HTTP_PORT": port})


def check(told: list[Command], folder: Path, environment: dict[str, str]) -> None:
    """Run the commands in `folder` and compare what each of them prints."""
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-c", script(told)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=surroundings.plain() | path | environment,
        timeout=240,
        check=False,
    )
    printed = ran.stdout.split(MARK)
    assert len(printed) == len(told) + 1, ran.stdout[-2000:]
    for command, output in zip(told, printed, strict=False):
        assert expected(command.printed).fullmatch(output), f"$ {command.typed}\n{output}"
