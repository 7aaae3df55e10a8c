"""Cases beside the rules, and past decisions put to other rules."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console import policing
from console.cli.commands import app
from estate.errors import BadInput
from estate.ids import PolicyId
from estate.verdicts import Decision
from policies import combining, deciding, recording, replaying
from policies.bundle import SHIPPED, Bundle
from policies.cases import PolicyCases, tried
from policies.ledger.memory import MemoryLedger
from policies.ledger.signing import Signing
from policies.proving.schemas import parse
from policies.replaying import replay
from policies.signing.memory import MemorySigner
from tests import builders
from tests.policies.asking import COPY_A_ABROAD, MOVE_A, MOVE_B, cordon, law, question
from tools.inventory import files

ASKED = (cordon("eu-a1"), MOVE_A, MOVE_B, COPY_A_ABROAD)


def cases(*written: dict[str, Any], **starts: Any) -> PolicyCases:
    fence = {"action": "CordonNode", "context": {"who": {"kind": "agent"}}}
    return PolicyCases.read(
        {"kind": "placet.policy-cases", "v": 1, "starts": {"fence": fence} | starts, "cases": [*written]}
    )


def case(**over: Any) -> dict[str, Any]:
    return {"says": "a fence is permitted", "starts": "fence", "expect": "permit"} | over


def run(*files: PolicyCases) -> list[str]:
    return [t.why for t in tried(files, parse(dict(law().texts)["schema.cedarschema"]), law().ask)]


def body(*changes: Any, **over: Any) -> dict[str, Any]:
    """What the ledger holds of a decision on these changes."""
    ruling = deciding.decide(question(builders.proposal(*changes), **over))
    return dict(recording.decided(ruling, "decided:1", ()).body)


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """Rules under which nobody may fence anything, and no tenant is ever asked."""
    rules = Path(shutil.copytree(SHIPPED, tmp_path / "rules"))
    (rules / "tier1" / "still.cedar").write_text(
        '@id("still") @reason("x") @dimension("freeze") @remedy("x")\n'
        'forbid(principal, action == Action::"CordonNode", resource);\n'
    )
    path = rules / "tier2" / "approvals.cedar"
    path.write_text(path.read_text().replace("context.disrupted > 0 &&", "context.disrupted > 99 &&"))
    return rules


def test_the_cases_beside_the_shipped_rules_pass_and_name_every_rule_of_tier_0() -> None:
    found = policing.tried(law(), None)
    assert [t for t in found if not t.passes] == []
    assert {r.id for r in law().rules.values() if r.tier == 0} <= {p for t in found for p in t.by}


def test_the_cases_that_the_page_shows_are_true() -> None:
    page = (Path(__file__).parents[2] / "docs" / "proving.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert run(files.parse(PolicyCases, shown.encode(), "docs/proving.md")) == [""]


def test_a_case_says_what_the_law_answers_instead() -> None:
    assert run(cases(case())) == [""]
    assert run(cases(case(but={"missing": ["racks"]}))) == ["expected permit, the law says forbid"]
    assert run(cases(case(by=["frozen"]))) == ["`frozen` is not among the policies that decide"]


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"but": {"luck": 1}}, "no `luck`; it has"),
        ({"but": {"who": "me"}}, "a record there"),
        ({"starts": "nowhere"}, "none of fence"),
        ({"action": "Dance"}, "`Dance`, which the schema does not have"),
        ({"action": "ChangeNode"}, "does not have"),
    ],
)
def test_a_case_that_does_not_fit_the_schema_is_refused(wrong: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        run(cases(case(**wrong)))


def test_a_value_of_the_wrong_type_fails_its_case_and_no_other() -> None:
    """Cedar refuses the request: an error, never a permit."""
    first, second = run(cases(case(but={"fit": "yes"}), case()))
    assert "fit" in first
    assert not second


def test_two_starts_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="`fence` is there twice"):
        run(cases(case()), cases(case()))


def test_what_cedar_answers_comes_to_what_the_gate_decided() -> None:
    for change in ASKED:
        ruling = deciding.decide(question(builders.proposal(change)))
        answers = law().ask([a.request(ruling.read.principal) for a in ruling.read.asks])
        assert combining.decision(answers) is ruling.verdict.decision, change


def test_the_same_law_decides_the_same_again_on_what_was_read() -> None:
    found = replay([body(change) for change in ASKED], law())
    assert [r.now for r in found] == [r.was for r in found]
    assert {r.was for r in found} == set(Decision)


def test_another_law_flips_what_it_decides_otherwise(candidate: Path) -> None:
    fence, move, asked, abroad = replay([body(change) for change in ASKED], Bundle.load(candidate))
    assert (fence.now, fence.policies) == (Decision.FORBID, (PolicyId("still"),))
    assert not move.flips
    assert (asked.was, asked.now) == (Decision.NEEDS_APPROVAL, Decision.PERMIT)
    assert not abroad.flips


def test_what_was_not_kept_or_was_changed_since_is_not_decided_again() -> None:
    kept = body(cordon("eu-a1"))
    (lost,) = replay([{"verdict": kept["verdict"]}], law())
    (forged,) = replay([kept | {"read_set": ["somebody", []]}], law())
    assert lost.now is forged.now is None
    assert "not kept" in lost.why
    assert "verify the ledger" in forged.why


def test_what_only_the_kernel_forbade_stays_forbidden() -> None:
    kept = body(cordon("eu-a1"))
    kept["verdict"] |= {"decision": "forbid", "policies": ["kernel"]}
    (found,) = replay([kept], law())
    assert found.now is Decision.FORBID


def test_a_context_that_the_candidates_schema_does_not_know_is_not_guessed_at(candidate: Path) -> None:
    path = candidate / "schema.cedarschema"
    path.write_text(path.read_text().replace("  fit: Bool,", "  fit: Bool,\n  calm: Bool,"))
    (found,) = replay([body(cordon("eu-a1"))], Bundle.load(candidate))
    assert found.now is None
    assert "calm" in found.why


async def test_the_last_decisions_are_read_off_an_exported_ledger(tmp_path: Path, candidate: Path) -> None:
    signer = MemorySigner.generate(builders.TestEntropy("ledger"))
    ledger = MemoryLedger(builders.INSTALLATION, signing=Signing.of(builders.INSTALLATION, signer))
    for number, change in enumerate(ASKED):
        ruling = deciding.decide(question(builders.proposal(change)))
        await ledger.append(recording.decided(ruling, f"decided:{number}", ("tenant-a",)))  # type: ignore[arg-type]
    lines = [line async for line in ledger.export()]
    assert [b["verdict"]["decision"] for b in replaying.decisions(lines, 2)] == ["needs-approval", "forbid"]
    (tmp_path / "ledger.export").write_bytes(b"".join(lines))
    asked = ["policy", "replay", str(tmp_path / "ledger.export"), "--candidate", str(candidate), "-o", "json"]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 1, found.output
    assert "4 decisions, 2 would flip" in found.stderr


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["policy", *words])


def test_the_commands_say_by_their_exit_codes_what_they_found(candidate: Path) -> None:
    assert invoke("test").exit_code == 0
    failing = invoke("test", str(candidate), "-o", "json")
    assert failing.exit_code == 1
    assert "a lawful fence is permitted" in failing.stdout
    unproved = invoke("prove", str(candidate))
    assert unproved.exit_code == 3
    assert "consent-to-disruption" in unproved.stdout
    differs = invoke("diff", str(SHIPPED), str(candidate))
    assert differs.exit_code == 1
    assert "permitted" in differs.stdout
