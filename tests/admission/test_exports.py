"""`placet policy export`: offline, from signed facts only, the same every time, and what `deploy/kubernetes` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from console.demo import estate
from console.initialising import Founding, found
from console.state import StateDirectory
from estate.errors import BadInput
from estate.ids import ClusterId, InstallationId, NodeId
from policies.admission import texts
from policies.admission.exporting import admission
from tests import builders, spawning, surroundings
from tools.inventory import writing

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "deploy" / "kubernetes"
UNTIL = datetime(2035, 1, 1, tzinfo=UTC)
BARRED = "tenant-a: sovereignty-geographic (geographic): needed only DE, FR, NL, found reaches US"


async def placet(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    """The command line with nothing running anywhere."""
    told = surroundings.plain() | {"NO_COLOR": "1"}
    return await spawning.run("console.cli.main", "--state-dir", str(state), *arguments, environment=told)


@pytest.fixture
def installed(tmp_path: Path) -> StateDirectory:
    state = StateDirectory(tmp_path / "state")
    found(state, Founding(installation=InstallationId("test")), datetime.now(UTC))
    return state


@pytest.fixture
def facts_file(tmp_path: Path) -> Path:
    """The demo's facts, which the examples are compiled from."""
    file = tmp_path / "facts.yaml"
    file.write_text(writing.text(estate.facts(UNTIL)))
    return file


EXPORTED = {
    "rbac.yaml": ("rbac",),
    "admission-eu-1.yaml": ("admission", "--cluster", "eu-1", "--facts"),
    "admission-us-1.yaml": ("admission", "--cluster", "us-1", "--facts"),
}
"""Each example's command; what ends with `--facts` is given the demo's."""


def exported(example: str, facts: Path) -> tuple[str, ...]:
    """The arguments that write an example."""
    told = EXPORTED[example]
    return ("policy", "export", *told, *((str(facts),) if told[-1] == "--facts" else ()))


@pytest.mark.parametrize("example", ["rbac.yaml", "admission-us-1.yaml"])
async def test_the_examples_are_what_the_command_writes(example: str, facts_file: Path) -> None:
    """What a reader of the repository reviews is what a cluster gets."""
    written = await placet(*exported(example, facts_file), state=facts_file.parent / "none")
    assert written.returncode == 0, written.stderr
    assert written.stdout == (EXAMPLES / example).read_text()


def test_an_interpreter_that_people_start_writes_it_too_and_warns_of_nothing(facts_file: Path) -> None:
    example = "admission-eu-1.yaml"
    arguments = ("--state-dir", str(facts_file.parent / "none"), *exported(example, facts_file))
    written = subprocess.run(
        [sys.executable, "-W", "error", "-m", "console.cli.main", *arguments],
        capture_output=True,
        text=True,
        env=surroundings.plain() | {"NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    assert written.returncode == 0, written.stderr
    assert written.stdout == (EXAMPLES / example).read_text()


async def test_json_and_yaml_say_the_same(installed: StateDirectory) -> None:
    asked = ("policy", "export", "admission", "--cluster", "eu-1", "-o")
    listed = json.loads((await placet(*asked, "json", state=installed.root)).stdout)
    assert listed["kind"] == "List"
    assert listed["items"] == list(yaml.safe_load_all((await placet(*asked, "yaml", state=installed.root)).stdout))


async def test_what_stands_in_the_objects_is_told_beside_them(installed: StateDirectory) -> None:
    """Data on stdout, words for the person on stderr: who may run there, who may not, and why."""
    answer = await placet("policy", "export", "admission", "--cluster", "us-1", state=installed.root)
    assert "us-1: 16 lawful nodes at us-east by facts version 1" in answer.stderr
    assert BARRED.replace("tenant-a", "tenant-a (tenant-a)", 1) in answer.stderr
    assert "tenant-c (tenant-c): lawful here" in answer.stderr


async def test_facts_that_nobody_trusted_signed_open_no_door(installed: StateDirectory) -> None:
    """One byte of the signed facts changed, and nothing is exported."""
    sealed = bytearray(installed.facts_path.read_bytes())
    at = sealed.index(b'"payload":"') + 40
    sealed[at] = ord("A") if sealed[at] != ord("A") else ord("B")
    installed.facts_path.write_bytes(bytes(sealed))
    answer = await placet("policy", "export", "admission", "--cluster", "eu-1", state=installed.root)
    assert (answer.returncode, answer.stdout) == (3, "")


@pytest.fixture
def expired_file(facts_file: Path) -> Path:
    facts_file.write_text(facts_file.read_text().replace("2035-01-01", "2025-01-01"))
    return facts_file


async def test_expired_facts_open_no_door_from_a_file_either(expired_file: Path) -> None:
    arguments = ("policy", "export", "admission", "--cluster", "eu-1", "--facts", str(expired_file))
    answer = await placet(*arguments, state=expired_file.parent / "none")
    assert (answer.returncode, answer.stdout) == (3, "")
    assert "the facts expired at 2025-01-01" in answer.stderr


async def test_a_cluster_that_no_fact_knows_is_a_usage_error(installed: StateDirectory) -> None:
    answer = await placet("policy", "export", "admission", "--cluster", "eu-9", state=installed.root)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no cluster `eu-9` in the facts; there are eu-1, us-1" in answer.stderr


def test_for_a_first_look_everything_warns_and_nothing_is_refused_or_changed() -> None:
    objects: list[dict[str, Any]] = list(admission(builders.facts(), ClusterId("eu-1"), enforce=False))
    assert not [o for o in objects if o["kind"].startswith("Mutating")]
    actions = {tuple(o["spec"]["validationActions"]) for o in objects if o["kind"].endswith("PolicyBinding")}
    assert actions == {("Warn", "Audit")}


def test_every_policy_is_bound_and_says_of_which_facts_it_is() -> None:
    """A policy without a binding is an open door; one of older facts must be found, to be taken away."""
    objects: list[dict[str, Any]] = list(admission(builders.facts(version=7), ClusterId("eu-1")))
    policies = {(o["kind"], o["metadata"]["name"]) for o in objects if o["kind"].endswith("Policy")}
    bound = {(o["kind"], o["spec"]["policyName"]) for o in objects if o["kind"].endswith("Binding")}
    assert bound == {(f"{kind}Binding", name) for kind, name in policies}
    assert {o["metadata"]["labels"]["placet.dev/facts-version"] for o in objects} == {"7"}


def test_the_law_stands_in_the_policies_and_not_in_parameters() -> None:
    """What is parameterised can be missing, stale, or somebody else's to write."""
    objects: list[dict[str, Any]] = list(admission(builders.facts(), ClusterId("eu-1")))
    assert not [o for o in objects if "paramKind" in o["spec"] or "paramRef" in o["spec"]]


@given(st.text(), st.lists(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?", fullmatch=True), max_size=40))
def test_texts_and_names_come_into_cel_as_they_are(text: str, names: list[str]) -> None:
    """Nothing that stands in a fact can end a literal; every name stands between two line ends in some variable."""
    assert json.loads(texts.literal(text)) == text
    assert "\n" not in texts.literal(text)
    held = texts.Names.of(names).variables
    assert {n for n in names if not any(f"\n{n}\n" in v for _, v in held)} == set()
    assert [n for _, v in held for n in v.strip("'\n").split("\n")] == names


def test_doors_fail_shut_and_only_labels_fail_open() -> None:
    """A label only steers: where it cannot be evaluated, no kubelet may be kept from its node for it."""
    objects: list[dict[str, Any]] = list(admission(builders.facts(), ClusterId("eu-1")))
    policies = {o["metadata"]["name"]: o["spec"]["failurePolicy"] for o in objects if o["kind"].endswith("Policy")}
    assert {name for name, mode in policies.items() if mode != "Fail"} == {"placet-node-labels"}


def test_a_cluster_with_more_names_than_the_door_can_look_through_is_refused_when_exported() -> None:
    """Refused here, in words, and not by the API server at each pod."""
    nodes = tuple(NodeId(f"n{i:05d}{'x' * 94}") for i in range(9_100))
    facts = builders.facts(racks=(builders.rack("eu-a", nodes=nodes),))
    with pytest.raises(BadInput, match="9100 node names of up to 100 characters"):
        admission(facts, ClusterId("eu-1"))
