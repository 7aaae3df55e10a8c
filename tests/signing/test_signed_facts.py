"""The law base as it was signed, and never an older one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from estate.errors import Denied
from estate.identities import SubjectKind
from estate.ids import KeyId
from estate.law import Facts
from policies import signed_facts
from policies.keyrings import StaticRing
from policies.ledger.memory import MemoryLedger
from policies.signed_facts import (
    OWNER_TYPE,
    PAYLOAD_TYPE,
    SUCCESSION_TYPE,
    FactsRing,
    Latch,
    OwnerSuccession,
    Succession,
    loaded,
    open_facts,
    recorded,
)
from policies.signing.facts import seal_facts
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestEntropy, facts, subject
from tests.signing.conftest import ADA, MALLORY

RING = StaticRing.of(ADA.signer.public_key)


def test_sealed_facts_open_as_they_were() -> None:
    law = facts(version=3)
    assert open_facts(seal_facts(law, ADA.signer), RING, START, last_version=3) == law


def test_facts_of_a_lower_version_are_refused() -> None:
    """An old law base is the cheapest way to make something lawful again."""
    with pytest.raises(Denied, match="version 2 is older than version 3"):
        open_facts(seal_facts(facts(version=2), ADA.signer), RING, START, last_version=3)


async def test_what_was_in_force_once_bars_everything_older_for_good() -> None:
    """In one process by its memory, and over restarts by the ledger."""
    older, newer = (seal_facts(facts(version=v), ADA.signer) for v in (2, 3))
    latch, ledger = Latch(RING, lambda: START), MemoryLedger(INSTALLATION)
    for envelope in (older, newer, newer):
        await ledger.append(loaded(latch(envelope), subject("inventory", SubjectKind.INVENTORY), START))
    again = Latch(RING, lambda: START, await recorded(ledger))
    for reader in (latch, again):
        with pytest.raises(Denied, match="version 2 is older than version 3"):
            reader(older)
    assert again(newer).version == 3


def test_expired_facts_are_refused() -> None:
    law = facts(valid_until=START + timedelta(days=1))
    open_facts(seal_facts(law, ADA.signer), RING, START)
    with pytest.raises(Denied, match="expired"):
        open_facts(seal_facts(law, ADA.signer), RING, START + timedelta(days=1))


def test_facts_by_a_stranger_or_in_another_form_are_refused() -> None:
    with pytest.raises(Denied, match="nobody trusted"):
        open_facts(seal_facts(facts(), MALLORY.signer), RING, START)
    for payload, reason in ((b"{}", "no law base"), (facts().canonical() + b"\n", "canonical")):
        with pytest.raises(Denied, match=reason):
            open_facts(seal(payload, PAYLOAD_TYPE, ADA.signer), RING, START)


# -- the facts' key is replaced


KEY = ADA.signer
OWNER, THIEF, NEXT, LAST = (MemorySigner.generate(TestEntropy(n)) for n in ("owner", "thief", "next", "last"))


def _word(old: MemorySigner, new: MemorySigner, by: MemorySigner = OWNER) -> bytes:
    said = Succession.of(INSTALLATION, old.key_id, new.public_key, START)
    return seal(said.canonical(), SUCCESSION_TYPE, by)


def _latch(last_version: int = 0, retired: frozenset[KeyId] = frozenset()) -> Latch:
    ring = FactsRing(StaticRing.of(KEY.public_key), StaticRing.of(OWNER.public_key))
    return Latch(ring, lambda: START, last_version, retired)


def test_facts_carry_the_words_by_which_their_key_came_to_sign_them() -> None:
    law = facts()
    twice = signed_facts.carrying(seal_facts(law, LAST), (_word(KEY, NEXT), _word(NEXT, LAST)))
    latch = _latch()
    assert latch(seal_facts(law, KEY)) == law
    assert latch(twice) == law
    assert (latch.key, latch.retired) == (LAST.key_id, {KEY.key_id, NEXT.key_id})
    assert [s.new for s in signed_facts.successions_of(twice)] == [NEXT.key_id, LAST.key_id]


@pytest.mark.parametrize(
    ("envelope", "fault"),
    [
        (lambda law: seal_facts(law, KEY), "was replaced"),
        (lambda law: signed_facts.carrying(seal_facts(law, NEXT), (_word(KEY, NEXT), _word(NEXT, LAST))), "nobody"),
        (lambda law: signed_facts.carrying(seal_facts(law, THIEF), (_word(KEY, THIEF, by=KEY),)), "nobody trusted"),
        (lambda law: signed_facts.carrying(seal_facts(law, LAST), (_word(NEXT, LAST),)), "a word is missing"),
        (lambda law: signed_facts.carrying(seal_facts(law, KEY), (_word(KEY, NEXT), _word(NEXT, KEY))), "come back"),
    ],
    ids=["the old key", "one before the last", "a thief's own word", "a word left out", "back to the first"],
)
def test_no_key_signs_facts_that_the_owner_has_not_put_last(envelope: Callable[[Facts], bytes], fault: str) -> None:
    law, latch = facts(), _latch()
    latch(signed_facts.carrying(seal_facts(law, NEXT), (_word(KEY, NEXT),)))
    newer = law.model_copy(update={"version": law.version + 1})
    with pytest.raises(Denied, match=fault):
        latch(envelope(newer))


async def test_a_process_that_starts_knows_from_the_ledger_which_keys_have_gone() -> None:
    ledger, latch, law = MemoryLedger(INSTALLATION), _latch(), facts()
    latch(signed_facts.carrying(seal_facts(law, NEXT), (_word(KEY, NEXT),)))
    await ledger.append(loaded(law, subject("gate", SubjectKind.GATE), START, latch))
    gone = await signed_facts.retired(ledger)
    assert gone == {KEY.key_id}
    with pytest.raises(Denied, match="was replaced"):
        _latch(retired=gone)(seal_facts(law, KEY))


# -- the owner hands over


HEIR = MemorySigner.generate(TestEntropy("heir"))


def _handed(old: MemorySigner, new: MemorySigner, by: MemorySigner | None = None) -> bytes:
    said = OwnerSuccession.of(INSTALLATION, old.key_id, new.public_key, START)
    return seal(said.canonical(), OWNER_TYPE, by or old)


async def test_whoever_has_seen_another_owner_takes_no_more_words_of_the_old_one() -> None:
    """Also when the old owner's key was stolen since, names an heir of its own, and the process starts anew."""
    law, ledger, latch = facts(), MemoryLedger(INSTALLATION), _latch()
    words = (_handed(OWNER, HEIR), _word(KEY, NEXT, by=HEIR))
    assert latch(signed_facts.carrying(seal_facts(law, NEXT), words)) == law
    assert (latch.owner, latch.key) == (HEIR.key_id, NEXT.key_id)
    await ledger.append(loaded(law, subject("gate", SubjectKind.GATE), START, latch))
    again = Latch(latch._ring, lambda: START, 0, await signed_facts.retired(ledger), await signed_facts.owner(ledger))
    forged = [
        ((_word(KEY, LAST),), LAST, "do not carry the word"),
        ((_handed(OWNER, THIEF), _word(KEY, LAST, by=THIEF)), LAST, "do not carry the word"),
        ((_handed(OWNER, HEIR), _word(KEY, LAST)), LAST, "nobody trusted"),
        ((_handed(OWNER, HEIR, by=THIEF), _word(KEY, LAST, by=HEIR)), LAST, "nobody trusted"),
        ((_handed(OWNER, HEIR), _handed(HEIR, OWNER)), KEY, "come back"),
        ((_handed(HEIR, LAST, by=OWNER),), KEY, "do not carry|a word is missing"),
    ]
    for carried, signer, fault in forged:
        for reader in (latch, again):
            with pytest.raises(Denied, match=fault):
                reader(signed_facts.carrying(seal_facts(law, signer), carried))
