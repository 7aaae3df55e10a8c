"""The pages for users are true: each `console` block is run, in order, and its output compared.

A line `$ …` is a command, `> …` its continuation, anything else what it prints (stdout and stderr). `…` stands for
any text of a line, and alone on a line for any lines.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import prompts, surroundings
from tests.parting import free_port
from tests.postgres import postgres
from tools.bus import launching

pytestmark = [
    pytest.mark.nats,
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(600),
]
REPOSITORY = Path(__file__).resolve().parents[2]
MARK = "\x01"
PASSWORD = "of-the-superuser"
APART = "## Processes apart"
LONGEST_SECONDS = 500
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


@pytest.fixture
def ports() -> dict[str, str]:
    """Free ones in the place of those that the pages name."""
    return {named: str(free_port()) for named in ("8090", "4222", "5432", "8222")}


@pytest.fixture
def database(ports: dict[str, str]) -> Iterator[None]:
    """A PostgreSQL where the page says that one is."""
    with postgres(int(ports["5432"]), PASSWORD):
        yield


def text_of(page: str, ports: dict[str, str]) -> str:
    """The page with those ports."""
    text = (REPOSITORY / "docs" / page).read_text()
    for named, port in ports.items():
        text = text.replace(named, port)
    return text


@pytest.mark.parametrize("page", ["events.md", "operations.md"])
def test_every_command_of_a_page_prints_what_the_page_says(page: str, ports: dict[str, str], short_path: Path) -> None:
    told = commands(text_of(page, ports).partition(APART)[0])
    assert len(told) > 15
    hold(told, ports, short_path)


@pytest.mark.postgres
@pytest.mark.usefixtures("database")
def test_every_command_for_processes_apart_prints_what_the_page_says(ports: dict[str, str], short_path: Path) -> None:
    told = commands(text_of("operations.md", ports).partition(APART)[2])
    assert len(told) > 15
    (short_path / "superuser.password").write_text(PASSWORD)
    hold(told, ports, short_path)


def hold(told: list[Command], ports: dict[str, str], folder: Path, **more: str) -> None:
    """Run the session, with `more` in its environment, compare what it printed, and leave nothing of it running."""
    environment = surroundings.plain() | {
        "PATH": os.pathsep.join([str(prompts.shell()), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PLACET_STATE_DIR": str(folder / "state"),
        "PLACET_HTTP_PORT": ports["8090"],
        **more,
    }
    bash = shutil.which("bash")
    assert bash
    guard = (launching.__file__, str(os.getpid()), str(folder / "session.lock"))
    session = subprocess.Popen(
        [sys.executable, "-I", "-S", *guard, bash, "-c", script(told)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    watch = threading.Timer(LONGEST_SECONDS, os.killpg, (session.pid, signal.SIGKILL))
    watch.start()
    try:
        said, _ = session.communicate()
    finally:
        watch.cancel()
        with suppress(ProcessLookupError):
            os.killpg(session.pid, signal.SIGKILL)
    printed = said.split(MARK)
    assert len(printed) == len(told) + 1, said[-2000:]
    for command, output in zip(told, printed, strict=False):
        assert expected(command.printed).fullmatch(output), f"$ {command.typed}\n{output}"
