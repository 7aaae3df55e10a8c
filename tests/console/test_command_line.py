"""`placet` as people run it: real processes, exit codes, data on stdout and the rest on stderr.

Most are forks of a process that has loaded the modules (`tests.prompts`). What only a start from nothing can show, such
as an import that is missing or a warning while loading, is shown by one command of each kind: `COLD` for the help, an
error, `run`, a request; and in `test_first_contact.py` for what is read in a pipe.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests import prompts, surroundings

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system")]
REPOSITORY = Path(__file__).resolve().parents[2]
COLD = (sys.executable, "-W", "error", "-m", "console.cli.main")


@dataclass(frozen=True, slots=True)
class Shell:
    """One installation at a prompt."""

    root: Path
    placet: tuple[str, ...] = field(default_factory=lambda: (str(prompts.shell() / "placet"),))
    environment: dict[str, str] = field(
        default_factory=lambda: surroundings.plain() | {"NO_COLOR": "1", "PYTHONPATH": str(REPOSITORY)}
    )

    @property
    def cold(self) -> Shell:
        """The same, where each command starts from nothing."""
        return replace(self, placet=COLD)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.placet, "--state-dir", str(self.root / "state"), *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.root,
            timeout=60,
            check=False,
        )

    def start(self) -> subprocess.Popen[str]:
        """A system, once it is up."""
        before, log = self.running(), self.root / "run.log"
        with log.open("a") as errors:
            process = subprocess.Popen(
                [*self.placet, "--state-dir", str(self.root / "state"), "run", "--http-port", "0"],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                text=True,
                env=self.environment,
                cwd=self.root,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            if self.running() != before:
                return process
            time.sleep(0.02)
        process.kill()
        process.wait()
        raise AssertionError(log.read_text())

    def running(self) -> int | None:
        """The process that said last that it is up, if any did."""
        said = self.root / "state" / "run" / "system.json"
        return int(json.loads(said.read_text())["pid"]) if said.exists() else None

    @contextmanager
    def up(self) -> Iterator[Shell]:
        """With a system; it ends well when it is told to end."""
        process = self.start()
        try:
            yield self
        finally:
            process.terminate()
            assert process.wait(20) == 0


def founded_in(root: Path) -> Shell:
    """After `placet init`."""
    shell = Shell(root)
    assert shell("init").returncode == 0
    return shell


@pytest.fixture
def placet_at(tmp_path: Path) -> Shell:
    return founded_in(tmp_path)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """An installation for commands that change nothing."""
    return founded_in(tmp_path_factory.mktemp("founded"))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A system that tests share: each has nodes and workloads of its own, and leaves no freeze behind."""
    with founded_in(tmp_path_factory.mktemp("up")).up() as shell:
        yield shell


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
    ran = founded.cold("whoami")
    assert ran.returncode == 1
    assert ran.stderr.startswith("placet: nothing runs in")
    assert ran.stderr.count("\n") == 1
    assert "placet run" in ran.stderr


def test_bad_usage_exits_with_two(founded: Shell) -> None:
    assert founded("get", "unicorns").returncode == 2
    (founded.root / "change.yaml").write_text("kind: placet.change-file\nv: 1\nsummary: x\n")
    ran = founded("propose", "-f", "change.yaml")
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
    process = placet_at.cold.start()
    asked = placet_at.cold("ask", "cordon node eu-b3", "-o", "json")
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
    ran = up("ask", "cordon node eu-b1")
    assert up("unfreeze").returncode == 0
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
    assert up("ask", "cordon eu-b2").returncode == 0
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
    narrow = replace(up, environment=up.environment | {"COLUMNS": "60"})
    lines = narrow("get", "nodes").stdout.splitlines()
    assert lines[0].split()[-2:] == ["CELSIUS", "WORKLOADS"]
    assert lines[1].split()[:2] == ["eu-a1", "eu-de"]


def test_an_estate_that_is_as_its_facts_say_has_no_drift(up: Shell) -> None:
    asked = up("drift", "--all", "-o", "json")
    assert (asked.returncode, json.loads(asked.stdout)) == (0, [])
    for odd in (("drift",), ("drift", "racks"), ("drift", "nodes", "--all")):
        assert up(*odd).returncode == 2


def test_a_plan_is_told_with_its_gain_and_becomes_a_proposal_only_where_that_is_asked(up: Shell) -> None:
    told = up("plan", "evacuate", "node", "eu-a1", "-o", "json")
    plan = json.loads(told.stdout)
    assert (told.returncode, plan["gain"]["after"]) == (0 if plan["met"] else 1, plan["gain"]["bound"]), told.stdout
    table = up("plan", "free", "400", "--tenant", "tenant-b", "--site", "eu-de")
    assert (table.returncode, "short: " in table.stderr) == (1, True)
    for odd, says in (
        (("plan", "evacuate", "row", "eu-a"), "area"),
        (("plan", "repack", "--site", "mars"), "site: no site `mars`"),
        (("plan", "free", "3", "--tenant", "tenant-b", "--each", "2"), "no multiple of `each`"),
    ):
        ran = up(*odd)
        assert (ran.returncode, says in ran.stderr) == (2, True), ran.stderr
    proposed = up("plan", "evacuate", "node", "eu-a1", "--propose")
    assert proposed.returncode in {0, 6}, proposed.stderr
    assert "nothing on node eu-a1" in up("get", "incidents", "-o", "json").stdout


def test_the_command_line_shows_its_help_without_loading_the_estate() -> None:
    """`--help` and completion are typed all day: the models of the estate take longer to load than Python itself."""
    looked = "import sys, console.cli.main; print('pydantic' in sys.modules, 'asyncio' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert ran.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "command",
    [("ask",), ("get",), ("drift",), ("plan", "repack"), ("ledger", "verify"), ("run",), ("freeze",), ("enrol",)],
)
def test_every_command_shows_an_example(command: tuple[str, ...], tmp_path: Path) -> None:
    ran = Shell(tmp_path)(*command, "--help")
    assert ran.returncode == 0
    assert "Example" in ran.stdout
