"""`placet` as people run it: real processes, exit codes, data on stdout and the rest on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system")]
REPOSITORY = Path(__file__).resolve().parents[2]
PLACET = (sys.executable, "-W", "error", "-m", "console.cli.main")


class Shell:
    """One installation at a prompt."""

    def __init__(self, root: Path) -> None:
        self.root = root
        own = {k: v for k, v in os.environ.items() if not k.startswith("PLACET_")}
        self.environment = own | {"NO_COLOR": "1", "PYTHONPATH": str(REPOSITORY)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PLACET, "--state-dir", str(self.root / "state"), *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.root,
            timeout=60,
            check=False,
        )

    def start(self) -> subprocess.Popen[str]:
        log = (self.root / "run.log").open("a")
        process = subprocess.Popen(
            [*PLACET, "--state-dir", str(self.root / "state"), "run", "--http-port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
            env=self.environment,
            cwd=self.root,
        )
        log.close()
        deadline = time.monotonic() + 30
        where = self.root / "state" / "run" / "system.json"
        while time.monotonic() < deadline and process.poll() is None:
            if where.exists() and json.loads(where.read_text())["pid"] == process.pid:
                return process
            time.sleep(0.05)
        process.kill()
        process.wait()
        raise AssertionError((self.root / "run.log").read_text())


@pytest.fixture
def placet_at(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    assert shell("init").returncode == 0
    return shell


@pytest.fixture
def up(placet_at: Shell) -> Iterator[Shell]:
    process = placet_at.start()
    try:
        yield placet_at
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_init_is_idempotent_and_says_what_it_made(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    first, again = shell("init", "--installation", "one"), shell("init", "--installation", "one")
    assert "made key of the gate" in first.stderr
    assert "made" not in again.stderr
    assert first.stdout == again.stdout == ""
    other = shell("init", "--installation", "two")
    assert other.returncode == 2
    assert "`one`" in other.stderr


def test_without_a_system_the_error_is_one_line_with_a_remedy(placet_at: Shell) -> None:
    ran = placet_at("whoami")
    assert ran.returncode == 1
    assert ran.stderr.startswith("placet: nothing runs in")
    assert ran.stderr.count("\n") == 1
    assert "placet run" in ran.stderr


def test_bad_usage_exits_with_two(placet_at: Shell) -> None:
    assert placet_at("get", "unicorns").returncode == 2
    (placet_at.root / "change.yaml").write_text("kind: placet.change-file\nv: 1\nsummary: x\n")
    ran = placet_at("propose", "-f", "change.yaml")
    assert ran.returncode == 2
    assert "change.yaml" in ran.stderr


def test_a_case_from_the_prompt_to_a_verified_ledger(up: Shell) -> None:
    """Ask, look, export, verify; then one byte is changed and verification says where."""
    asked = up("ask", "cordon node eu-b3", "-o", "json")
    assert asked.returncode == 0, asked.stderr
    incident = json.loads(asked.stdout)["name"]
    nodes = {n["name"]: n for n in json.loads(up("get", "nodes", "-o", "json").stdout)}
    assert nodes["eu-b3"]["cordoned"] is True
    told = up("describe", "incident", incident)
    assert "step 1 applied: cordon node eu-b3" in told.stdout
    assert up("get", "node", "nope").returncode == 5
    assert up("ask", "make me a sandwich").returncode == 1
    assert up("ledger", "export", "ledger.export").returncode == 0
    assert up("ledger", "verify", "ledger.export").returncode == 0
    export = up.root / "ledger.export"
    export.write_bytes(export.read_bytes().replace(b"eu-b3", b"eu-b4", 1))
    broken = up("ledger", "verify", "ledger.export", "-o", "json")
    assert broken.returncode == 1
    assert "entry" in json.loads(broken.stdout)["fault"]
    assert up("doctor").returncode == 0


def test_a_second_system_on_one_directory_is_refused(up: Shell) -> None:
    ran = up("run", "--http-port", "0")
    assert ran.returncode == 1
    assert "is in use by process" in ran.stderr


def test_a_killed_system_comes_back_with_everything_it_knew(placet_at: Shell) -> None:
    """kill -9, start again: the same incidents, and the next request goes through."""
    process = placet_at.start()
    asked = placet_at("ask", "cordon node eu-b3", "-o", "json")
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = placet_at.start()
    try:
        known = json.loads(placet_at("get", "incidents", "-o", "json").stdout)
        assert [i["name"] for i in known] == [json.loads(asked.stdout)["name"]]
        assert placet_at("ask", "uncordon node eu-b3").returncode == 0
    finally:
        again.terminate()
        assert again.wait(20) == 0


def test_a_freeze_from_the_prompt_forbids_what_comes_after_it(up: Shell) -> None:
    assert up("freeze", "--reason", "audit").returncode == 0
    time.sleep(1)
    ran = up("ask", "cordon node eu-b3")
    assert ran.returncode in {1, 3}, ran.stderr
    assert "freeze" in ran.stderr


@pytest.mark.parametrize("command", [("ask",), ("get",), ("ledger", "verify"), ("run",), ("freeze",), ("enrol",)])
def test_every_command_shows_an_example(command: tuple[str, ...], tmp_path: Path) -> None:
    ran = Shell(tmp_path)(*command, "--help")
    assert ran.returncode == 0
    assert "Example" in ran.stdout
