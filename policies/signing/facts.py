"""Seals the law base under the key of the person who answers for it; `policies.signed_facts` opens it."""

from __future__ import annotations

from estate.law import Facts
from policies.signed_facts import PAYLOAD_TYPE
from policies.signing.port import Signer
from policies.signing.sealing import seal


def seal_facts(facts: Facts, signer: Signer) -> bytes:
    """The envelope of `facts`."""
    return seal(facts.canonical(), PAYLOAD_TYPE, signer)
