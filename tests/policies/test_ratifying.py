"""Rules are signed into force: by whom, for how long, and what becomes of those that nobody signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from estate import canonical
from estate.errors import Denied
from estate.identities import Role
from estate.modes import Mode
from estate.ratifications import Ratification
from estate.verdicts import Decision, Dimension
from policies import deciding, kernel
from policies.controls import RATIFICATION_TYPE, Controls
from policies.kernel import Approver
from policies.ledger.memory import MemoryLedger
from policies.questions import Ratified
from policies.signing.sealing import seal
from policies.standing import Scene, concern, standing
from tests.builders import INSTALLATION, START, TestClock, estate, proposal
from tests.policies.asking import ADA, MOVE_A, Person, enrolments, law, owner, question, ratified

PAULA = Person("paula", (Role.POLICY_AUTHOR,))
OLGA = Person("olga", (Role.OPERATOR,))
BEA = owner()
YEAR = timedelta(days=365)


def controls(*words: bytes) -> Controls:
    """What people have set."""
    made = Controls(INSTALLATION, enrolments(PAULA, OLGA, BEA), TestClock(), Mode.AUTOMATIC)
    for word in words:
        made.apply(word)
    return made


def decided(under: Controls, after: timedelta = timedelta()) -> Any:
    """The law's answer to a lawful move."""
    now = START + after
    base = estate()
    asked = question(proposal(MOVE_A), on=base.with_facts(base.facts.model_copy(update={"valid_until": now + YEAR})))
    stands = standing(asked.matter, concern(asked.matter, asked.snapshot), under, Scene(now, law()))
    return deciding.decide(replace(asked, standing=stands, now=now)).verdict


def test_rules_that_nobody_signed_decide_nothing() -> None:
    found = decided(controls())
    assert (found.decision, found.policies) == (Decision.FORBID, ("law-in-force",))
    (failure,) = found.failures
    assert failure.dimension is Dimension.FACTS
    assert "placet policy sign" in failure.remedy
    assert decided(controls(ratified(law()))).decision is Decision.PERMIT


def test_a_signature_ends_and_is_taken_back() -> None:
    signed = controls(ratified(law()))
    assert decided(signed, YEAR - timedelta(seconds=1)).decision is Decision.PERMIT
    assert decided(signed, YEAR).policies == ("law-in-force",)
    signed.apply(ratified(law(), at=START, revoked=True))
    assert decided(signed).policies == ("law-in-force",)
    signed.apply(ratified(law(), at=START - timedelta(hours=1)))
    assert decided(signed).policies == ("law-in-force",), "an older word changes nothing"


def test_of_another_profile_it_says_nothing() -> None:
    other = replace(law(), digest=canonical.digest(b"another profile"))
    assert decided(controls(ratified(other))).policies == ("law-in-force",)


@pytest.mark.parametrize(
    ("who", "over", "says"),
    [
        (OLGA, {}, "may put no rules in force"),
        (BEA, {}, "may put no rules in force"),
        (ADA, {"valid_until": START + timedelta(days=367)}, "366 days at most"),
        (ADA, {"valid_until": START}, "give it a time to come"),
        (ADA, {"at": START + timedelta(minutes=1)}, "dated more than 30 s in the future"),
        (ADA, {"installation": "other"}, "the control is for `other`"),
        (ADA, {"by": PAULA.subject}, "sign with one's own key"),
    ],
    ids=[
        "an operator",
        "a tenant's owner",
        "for longer than a year",
        "past",
        "from a wrong clock",
        "foreign",
        "not theirs",
    ],
)
def test_not_everybody_signs_and_not_for_ever(who: Person, over: dict[str, Any], says: str) -> None:
    at = over.pop("at", START)
    fields = {"installation": INSTALLATION, "bundles": (law().digest,), "reason": "read", "valid_until": at + YEAR}
    word = Ratification(**(fields | {"by": who.subject, "at": at} | over))
    made = controls()
    with pytest.raises(Denied, match=says):
        made.apply(seal(word.canonical(), RATIFICATION_TYPE, who.signer))
    assert made.ratification(law().digest) is None


async def test_it_is_in_the_ledger_before_it_counts_and_every_process_finds_it_there() -> None:
    ledger, word = MemoryLedger(INSTALLATION), ratified(law())
    await ledger.append(controls().admit(word).draft(START))
    found = controls()
    await found.load(ledger)
    assert decided(found).decision is Decision.PERMIT


def test_nobody_approves_under_rules_of_their_own() -> None:
    """Neither Cedar nor the kernel lets the word of who wrote the profile count."""
    on = estate()
    planned = proposal(MOVE_A)
    for author, counted in (("olga", 0), ("paula", 1)):
        asked = question(planned, given=(OLGA.given(planned, on),), on=on)
        stands = replace(asked.standing, ratified=Ratified(author=author))
        found = deciding.decide(replace(asked, standing=stands)).verdict
        assert len(found.approvals) == counted
        approver = [Approver(OLGA.subject, OLGA.roles)]
        objected = kernel.objections(asked.matter, on, approver, START, ratified=Ratified(author=author))
        assert [o.dimension for o in objected] == [Dimension.APPROVAL] * (1 - counted)


def test_the_kernel_has_its_own_word_on_it() -> None:
    fault = Ratified("nobody signed it")
    (objected,) = kernel.objections(question(proposal(MOVE_A)).matter, estate(), (), START, ratified=fault)
    assert (objected.dimension, objected.why) == (Dimension.FACTS, "nobody signed it")
