"""What is proved of a law, and what breaks a proof: always a request that Cedar itself permits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput
from policies.bundle import SHIPPED, Bundle
from policies.proving import serving
from policies.proving.invariants import INVARIANTS
from policies.proving.proofs import Claim, Proof, Proving, prove
from policies.proving.schemas import parse
from policies.proving.serving import Unproved, proved
from policies.proving.translating import Unsupported
from policies.proving.witnesses import Case
from tests.policies.asking import law
from tests.policies.proving.laws import shipped, small, with_trees, without

PERMIT = '@id("p") permit(principal, action, resource);'


def by_name(proof: Proof | Proving) -> dict[str, Claim]:
    claims = proof.claims if isinstance(proof, Proof) else proof.claims()
    return {c.name: c for c in claims}


def invariant(on: Proving, name: str) -> Claim:
    return on.invariant(next(i for i in INVARIANTS if i.name == name))


def request(claim: Claim) -> dict[str, Any]:
    form = claim.counterexample
    assert isinstance(form, dict)
    asked = form["request"]
    assert isinstance(asked, dict)
    return asked


def test_the_shipped_law_is_proved_whole() -> None:
    told: list[Claim] = []
    proof = prove(shipped(), told.append)
    assert proof.holds, proof.broken
    assert proof.bundle == law().digest
    assert list(proof.claims) == told


def test_every_file_of_tier_0_has_an_invariant_that_guards_it() -> None:
    files = {p.stem for p in (SHIPPED / "tier0").glob("*.cedar")}
    assert files <= {i.guards for i in INVARIANTS}


def test_every_invariant_speaks_of_some_request_and_a_law_without_forbids_breaks_it() -> None:
    """An invariant that nothing can break would prove nothing. Each example was answered by Cedar: Allow, no error."""
    permits = tuple(p for p in shipped().policies if not p.forbids)
    toothless = with_trees(shipped(), permits)
    on = Proving.of(toothless)
    for each in INVARIANTS:
        claim = on.invariant(each)
        assert not claim.holds, each.name
        assert claim.why == f"`{each.name}` is broken, and it is permitted", claim
        answered = toothless.cedar.ask(Case(request(claim)))
        assert answered.allowed
        assert not answered.errs


def test_the_trap_of_contains_all_is_found() -> None:
    """Without the question for emptiness the rule reads well, and permits what nobody knows."""
    lax = without(shipped(), "sovereignty-geographic", lambda lost: lost == "!(context.geographic.found.isEmpty())")
    claim = invariant(Proving.of(lax), "geographic-known")
    assert not claim.holds
    assert request(claim)["context"]["geographic"]["found"] == []


def test_a_consent_that_a_house_forgot_is_found() -> None:
    lax = without(shipped(), "tenant-consents", lambda lost: lost == "the whole policy")
    claim = invariant(Proving.of(lax), "consent-to-disruption")
    assert request(claim)["context"]["disrupted"] > 0
    assert request(claim)["context"]["ownerApprovals"] < 1


def test_a_forbid_that_overflows_is_found_because_cedar_would_skip_it() -> None:
    claims = by_name(
        prove(small(f'{PERMIT} @id("f") forbid(principal, action, resource) when {{ context.n + 1 > 5 }};'))
    )
    assert not claims["tier-0-never-errs"].holds
    assert request(claims["tier-0-never-errs"])["context"]["n"] == 2**63 - 1
    assert claims["tier-0-decides"].holds


def test_a_forbid_that_reads_what_may_be_missing_is_found() -> None:
    text = f'{PERMIT} @id("f") forbid(principal, action, resource) when {{ context.word == "x" }};'
    claim = by_name(Proving.of(small(text)))["tier-0-never-errs"]
    assert "word" not in request(claim)["context"]


def test_a_policy_that_can_never_hold_is_named() -> None:
    text = f'{PERMIT} @id("f") forbid(principal, action, resource) when {{ context.n > 3 && context.n < 3 }};'
    claim = by_name(Proving.of(small(text)))["no-vacuous-policy"]
    assert "`f`" in claim.why


def test_what_is_not_understood_refuses_the_law_and_names_the_policy() -> None:
    text = '@id("odd") permit(principal, action, resource) when { context.ip.isInRange(context.net) };'
    with pytest.raises(Unsupported, match=r"policy `odd`: .*isInRange"):
        Proving.of(small(text))


def test_an_invariant_that_finds_nothing_to_speak_of_is_not_taken_for_proved() -> None:
    claim = invariant(Proving.of(small(PERMIT)), "missing-facts")
    assert not claim.holds
    assert "`missing`" in claim.why


def test_a_wrong_translation_is_told_from_a_broken_law() -> None:
    """If Cedar does not say what the solver says, nothing is proved and nobody is blamed."""
    law = small(PERMIT)
    other = small('@id("p") permit(principal, action, resource) when { context.n > 5 };')
    crossed = Proving.of(type(law)(law.digest, law.policies, law.schema, other.cedar))
    (sheet,) = crossed.sheets
    model = crossed.model(sheet, sheet.outcome.permitted, sheet.outcome.permitted)
    assert model is not None
    assert "the translation is wrong" in crossed.witnessed(sheet, model, "it is permitted")[0]


def test_a_law_without_consent_is_not_served_and_what_is_proved_is_remembered(tmp_path: Path) -> None:
    rules = Path(shutil.copytree(SHIPPED, tmp_path / "rules"))
    assert proved(law(), tmp_path / "proofs") is law()
    (kept,) = (tmp_path / "proofs").iterdir()
    stamp = kept.stat().st_mtime_ns
    proved(law(), tmp_path / "proofs")
    assert kept.stat().st_mtime_ns == stamp
    path = rules / "tier2" / "approvals.cedar"
    path.write_text(path.read_text().replace("context.ownerApprovals >= 1", "context.ownerApprovals >= 0"))
    with pytest.raises(Unproved, match=r"unasked.*placet policy prove"):
        serving.proved(Bundle.load(rules), tmp_path / "proofs")
    assert [*(tmp_path / "proofs").iterdir()] == [kept]


@pytest.mark.parametrize("text", ["namespace A { entity B; }", "entity A = { x: Strange };", "entity A; §"])
def test_a_schema_that_is_not_understood_refuses(text: str) -> None:
    with pytest.raises(BadInput, match="schema"):
        parse(text)


def test_actions_are_in_their_groups_however_deep() -> None:
    schema = parse('entity A; action "a"; action "b" in "a"; action "c" in [Action::"b"];')
    assert schema.groups_of("c") == {"a", "b", "c"}
