"""`placet` as people run it: real processes, exit codes, data on stdout and the rest on stderr."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import surroundings

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system")]
REPOSITORY = Path(__file__).resolve().parents[2]
PLACET = (sys.executable, "-W", "error", "-m", "console.cli.main")


class Shell:
    """One installation at a prompt."""

    def __init__(self, root: Path) -> None:
        self.root = root
        own = surroundings.plain()
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


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """An installation for commands that change nothing."""
    shell = Shell(tmp_path_factory.mktemp("founded"))
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


def test_without_a_system_the_error_is_one_line_with_a_remedy(founded: Shell) -> None:
    ran = founded("whoami")
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


def test_an_approval_answers_with_what_it_led_to(up: Shell) -> None:
    """One's own word does not count, and says so; the owner's ends the wait, and its exit code is the case's end."""
    assert up("enrol", "bruno", "--role", "tenant-owner", "--tenant", "tenant-b").returncode == 0
    asked = up("ask", "scale b-imaging to 1", "-o", "json")
    assert asked.returncode == 6, asked.stderr
    incident = json.loads(asked.stdout)["name"]
    own = up("approve", incident, "--yes")
    assert own.returncode == 6
    assert "not counted (approval-self)" in own.stdout
    assert "1 × tenant-owner of tenant-b" in own.stdout
    owners = up("--as", "bruno", "approve", incident, "--yes")
    assert owners.returncode == 0, owners.stderr
    assert "workload/b-imaging.replicas: 2 → 1" in owners.stderr
    assert "verified" in owners.stdout


def test_a_freeze_of_a_misspelt_site_sets_nothing_and_names_those_there_are(up: Shell) -> None:
    """Whoever believes a site frozen that is not would not look again."""
    ran = up("freeze", "--site", "eu-dee")
    assert ran.returncode == 5
    assert "nothing was set; there are eu-de, us-east" in ran.stderr


def test_a_proposal_is_found_by_the_figures_that_tables_show(up: Shell) -> None:
    assert up("ask", "cordon eu-b3").returncode == 0
    shown = up("get", "proposals").stdout.splitlines()[1].split()[0]
    assert len(shown) == 12
    assert f"sha256:{shown}" in up("describe", "proposal", shown).stdout
    assert up("describe", "proposal", shown[:4]).returncode == 5
    assert up("dlq", "show", "99").returncode == 5


MISTYPED = (
    ("ask", ""),
    ("approve", "NO ID"),
    ("freeze", "--site", "NO SITE"),
    ("--as", "../gate", "whoami"),
    ("login", "../x", "--make"),
    ("schema", "unicorns"),
    ("ledger", "verify", "nowhere.export"),
    ("init", "--installation", "NOT A NAME"),
)


@pytest.mark.parametrize("arguments", MISTYPED, ids=lambda a: a[0])
def test_what_somebody_mistyped_is_usage_and_no_internal_error(arguments: tuple[str, ...], founded: Shell) -> None:
    ran = founded(*arguments)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith("placet: ")
    assert "internal error" not in ran.stderr


def test_doctor_finds_fault_with_an_empty_directory_and_init_with_an_impossible_one(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    ran = shell("doctor")
    assert ran.returncode == 1
    assert "run `placet init`" in ran.stdout
    (tmp_path / "file").write_text("")
    ran = shell("--state-dir", str(tmp_path / "file" / "below"), "init")
    assert ran.returncode == 2
    assert "cannot make" in ran.stderr


def test_a_table_cuts_nothing_off_in_a_narrow_terminal(up: Shell) -> None:
    up.environment["COLUMNS"] = "60"
    lines = up("get", "nodes").stdout.splitlines()
    assert lines[0].split()[-2:] == ["WATTS", "WORKLOADS"]
    assert lines[1].split()[:2] == ["eu-a1", "eu-de"]


def test_an_estate_that_is_as_its_facts_say_has_no_drift(up: Shell) -> None:
    asked = up("drift", "--all", "-o", "json")
    assert (asked.returncode, json.loads(asked.stdout)) == (0, [])
    for odd in (("drift",), ("drift", "racks"), ("drift", "nodes", "--all")):
        assert up(*odd).returncode == 2


def test_the_command_line_shows_its_help_without_loading_the_estate() -> None:
    """`--help` and completion are typed all day: the models of the estate take longer to load than Python itself."""
    looked = "import sys, console.cli.main; print('pydantic' in sys.modules, 'asyncio' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert ran.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "command", [("ask",), ("get",), ("drift",), ("ledger", "verify"), ("run",), ("freeze",), ("enrol",)]
)
def test_every_command_shows_an_example(command: tuple[str, ...], tmp_path: Path) -> None:
    ran = Shell(tmp_path)(*command, "--help")
    assert ran.returncode == 0
    assert "Example" in ran.stdout
