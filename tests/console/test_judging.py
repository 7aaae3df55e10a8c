"""`placet decide`: the gate's own verdict on files, and its exit codes."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from console.cli.commands import app
from estate.errors import BadInput
from policies.signing.facts import seal_facts
from policies.signing.files import FileSigner
from tests import builders
from tools.inventory import writing

AT = builders.START.isoformat()
GLASS = {"by": "otto", "seconded_by": "olga", "seconded_at": AT}
GRACE = {"person": "grace", "roles": ["tenant-owner"], "tenants": ["tenant-b"]}


def move(workload: str, source: str, target: str, *devices: int) -> dict[str, Any]:
    step = {"replica": 0, "source": source, "target": target, "accelerators": list(devices)}
    return {"kind": "MoveWorkload", "workload": workload, "moves": [step]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "facts.yaml").write_text(writing.text(builders.facts(), ""))
    (tmp_path / "world.yaml").write_text(writing.text(builders.world(), ""))
    return tmp_path


def decided(
    folder: Path,
    *changes: dict[str, Any],
    history: dict[str, Any] | None = None,
    profile: str = "",
    at: str = AT,
    **over: Any,
) -> Result:
    (folder / "proposal").mkdir(exist_ok=True)
    file = folder / "proposal" / "p.yaml"
    file.write_text(yaml.safe_dump({"kind": "placet.proposal-file", "v": 1, "changes": [*changes]} | over))
    options = ["decide", "-f", str(file), "--estate", str(folder), "--at", at, "-o", "json"]
    if profile:
        options += ["--profile", profile]
    if history is not None:
        (folder / "proposal" / "h.yaml").write_text(yaml.safe_dump({"kind": "placet.history", "v": 1} | history))
        options += ["--history", str(folder / "proposal" / "h.yaml")]
    return CliRunner().invoke(app, options)


def said(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


A_HOME, A_ABROAD = move("a-serve", "eu-a1", "eu-b3", 0, 1), {
    "kind": "CopyWorkload", "workload": "a-serve", "to_cluster": "us-1",
    "bindings": [{"replica": n, "node": "us-b1", "accelerators": [2 * n, 2 * n + 1]} for n in range(2)],
}  # fmt: skip
B_HOME = move("b-train", "eu-a1", "eu-b3", 0, 1, 2, 3)


def test_a_lawful_move_is_permitted_and_one_abroad_forbidden_on_every_axis(folder: Path) -> None:
    permitted = decided(folder, A_HOME)
    assert (permitted.exit_code, said(permitted)["decision"], said(permitted)["failures"]) == (0, "permit", [])
    assert "no warrant can follow" in permitted.stderr
    forbidden = decided(folder, A_ABROAD)
    failures = said(forbidden)["failures"]
    assert forbidden.exit_code == 3
    assert {"geographic", "legal", "operational"} <= {f["dimension"] for f in failures}
    assert all(f["needed"] and f["found"] and f["remedy"] for f in failures)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 6),
        ([GRACE], 0),
        ([GRACE | {"tenants": ["tenant-a"]}], 6),
        ([GRACE | {"roles": ["requester"]}], 6),
        ([GRACE | {"word": "deny"}], 3),
        ([GRACE | {"person": "ada"}], 6),
    ],
    ids=["nobody", "the owner", "another owner", "no owner", "the owner says no", "the asker herself"],
)
def test_where_an_owner_must_approve_only_that_owners_word_counts(
    folder: Path, words: list[dict[str, Any]], code: int
) -> None:
    result = decided(folder, B_HOME, person="ada", words=words)
    assert result.exit_code == code, result.output
    if code == 6:
        (asked,) = said(result)["requirements"]
        assert (asked["role"], asked["tenant"]) == ("tenant-owner", "tenant-b")


def test_who_speaks_for_one_tenant_touches_no_other(folder: Path) -> None:
    result = decided(folder, A_HOME, person="grace", for_tenants=["tenant-b"])
    assert result.exit_code == 3
    assert [f["policy"] for f in said(result)["failures"]] == ["tenant-eviction"]


@pytest.mark.parametrize(("scope", "code"), [({}, 3), ({"site": "eu-de"}, 3), ({"site": "us-east"}, 0)])
def test_a_freeze_holds_where_it_covers(folder: Path, scope: dict[str, str], code: int) -> None:
    assert decided(folder, A_HOME, history={"frozen": [scope]}).exit_code == code


@pytest.mark.parametrize(
    "said", [{"frozen": [{"site": "eu-d"}]}, {"broken_glass": [GLASS | {"scope": {"tenant": "a"}}]}]
)
def test_a_misspelt_scope_is_refused_and_not_taken_for_none(folder: Path, said: dict[str, Any]) -> None:
    """Otherwise a permit would follow from a typing error."""
    found = decided(folder, A_HOME, history=said)
    assert isinstance(found.exception, BadInput)
    assert "in the facts; there are `" in str(found.exception)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-26", "2026-11-26T25:00:00Z"])
def test_a_time_that_nothing_can_be_decided_at_is_a_usage_error(folder: Path, at: str) -> None:
    result = decided(folder, A_HOME, at=at)
    assert (result.exit_code, result.stdout) == (2, "")


def test_what_is_in_flight_counts_before_anything_else(folder: Path) -> None:
    """The devices are somebody's as soon as they are promised, and a plan for them is no plan."""
    flying = [{"permitted_at": AT, "changes": [move("b-train", "eu-a1", "eu-b3", 0, 1, 2, 3)]}]
    result = decided(folder, A_HOME, history={"in_flight": flying})
    assert result.exit_code == 3
    assert "plan-current" in {f["policy"] for f in said(result)["failures"]}


def test_expired_facts_and_facts_of_another_key_are_denied(folder: Path) -> None:
    late = CliRunner()
    file = folder / "c.yaml"
    file.write_text(yaml.safe_dump({"kind": "placet.change-file", "v": 1, "summary": "x", "changes": [A_HOME]}))
    after = (builders.START + timedelta(days=400)).isoformat()
    expired = late.invoke(app, ["decide", "-f", str(file), "--estate", str(folder), "--at", after, "-o", "json"])
    assert (expired.exit_code, said(expired)["decision"]) == (3, "forbid")
    assert "facts-in-force" in {f["policy"] for f in said(expired)["failures"]}
    signer, other = (FileSigner.create(folder / name) for name in ("signer.pem", "other.pem"))
    (folder / "facts.dsse.json").write_bytes(seal_facts(builders.facts(), signer))
    for key, code in ((signer, 0), (other, 1)):
        (folder / "key").write_text(base64.b64encode(key.public_key).decode())
        told = ["decide", "-f", str(file), "--estate", str(folder), "--at", AT, "--facts-key", str(folder / "key")]
        found = late.invoke(app, told)
        assert found.exit_code == code, found.output


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kind: placet.proposal-file\nv: 1\nchanges: []\n", "changes"),
        ("kind: placet.proposal-file\nv: 1\nchangs: []\n", "changs"),
        ("kind: other\nv: 1\n", "`other` where `placet.proposal-file` is expected"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_its_fault(folder: Path, text: str, fault: str) -> None:
    (folder / "p.yaml").write_text(text)
    result = CliRunner().invoke(app, ["decide", "-f", str(folder / "p.yaml"), "--estate", str(folder)])
    assert fault in str(result.exception)


def test_a_profile_is_named_or_is_a_file_of_ones_own(folder: Path) -> None:
    """With a file of one's own its line is named where it does not fit."""
    fence, other = ({"kind": "CordonNode", "node": n} for n in ("eu-a1", "eu-b1"))
    assert said(decided(folder, fence, profile="bank"))["decision"] == "permit"
    own = folder / "own.yaml"
    own.write_text("kind: placet.profile\nv: 1\nname: own\nblast: {nodes: 1}\n")
    assert [f["policy"] for f in said(decided(folder, fence, other, profile=str(own)))["failures"]] == ["blast-nodes"]
    own.write_text("kind: placet.profile\nv: 1\nname: own\nblast: {nodes: 0}\n")
    assert "own.yaml:4" in str(decided(folder, fence, profile=str(own)).exception)
    assert "there is no profile `bnak`" in str(decided(folder, fence, profile="bnak").exception)


def test_every_rule_says_which_duty_it_serves() -> None:
    rows = json.loads(CliRunner().invoke(app, ["policy", "rules", "-o", "json"]).stdout)
    assert {r["tier"] for r in rows} == {0, 1, 2}
    assert [r["rule"] for r in rows if not r["obligation"] or not r["reason"]] == []


def test_what_is_owed_beside_a_change_and_until_when_it_may_be_approved_is_told(folder: Path) -> None:
    duties = [
        {"replicas": 1, "notify": ["tenant-owner"], "post_check": {"after_seconds": 600}},
        {"kinds": ["MoveWorkload"], "snapshot_first": True, "canary": {"steps": 1, "soak_seconds": 60}},
    ]
    numbers = {"approve_within_minutes": 90, "execute_within_minutes": 5, "obligations": duties}
    profile = folder / "proposal-profile.yml"
    profile.write_text(yaml.safe_dump({"kind": "placet.profile", "v": 1, "name": "ours"} | numbers))
    asked = said(decided(folder, B_HOME, profile=str(profile)))
    assert [o["kind"] for o in asked["obligations"]] == ["notify", "snapshot-first", "post-check"]
    assert asked["approve_by"] == "2026-11-21T09:30:00.000000Z"
    assert asked["execute_within_seconds"] == 300
    two = said(decided(folder, A_HOME, {"kind": "SetPowerCap", "node": "eu-a3", "watts": 6000}, profile=str(profile)))
    assert {"kind": "canary", "steps": 1, "soak_seconds": 60} in two["obligations"]
    assert "approve_by" not in two, "nobody is asked"
    assert "obligations" not in said(decided(folder, A_HOME))
    idle = folder / "idle.yml"
    idle.write_text(yaml.safe_dump({"kind": "placet.profile", "v": 1, "obligations": [{"nodes": 2}]}))
    refused = decided(folder, A_HOME, profile=str(idle))
    assert "obligations.0: lays nothing on anybody; name `notify`" in str(refused.exception)
