"""The law base as it was signed, and never an older one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from estate.errors import Denied
from estate.identities import SubjectKind
from policies.keyrings import StaticRing
from policies.ledger.memory import MemoryLedger
from policies.signed_facts import PAYLOAD_TYPE, Latch, loaded, open_facts, recorded
from policies.signing.facts import seal_facts
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, facts, subject
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
