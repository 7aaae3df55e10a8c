"""The law base as it was signed, and never an older one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from estate.errors import Denied
from policies.keyrings import StaticRing
from policies.signed_facts import PAYLOAD_TYPE, open_facts
from policies.signing.facts import seal_facts
from policies.signing.sealing import seal
from tests.builders import START, facts
from tests.signing.conftest import ADA, MALLORY

RING = StaticRing.of(ADA.signer.public_key)


def test_sealed_facts_open_as_they_were() -> None:
    law = facts(version=3)
    assert open_facts(seal_facts(law, ADA.signer), RING, START, last_version=3) == law


def test_facts_of_a_lower_version_are_refused() -> None:
    """An old law base is the cheapest way to make something lawful again."""
    with pytest.raises(Denied, match="version 2 is older than version 3"):
        open_facts(seal_facts(facts(version=2), ADA.signer), RING, START, last_version=3)


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
