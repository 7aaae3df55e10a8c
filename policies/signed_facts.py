"""Signed facts, opened: the law base as the person who answers for it signed it. Sealed in `policies.signing.facts`.

Inventory writer and followers call this. Refused: facts that nobody in the ring signed, expired ones, and a version
below one seen before, because an old law base is the cheapest way to make something lawful again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from estate.errors import BadInput, Denied
from estate.law import Facts
from policies import dsse
from policies.keyrings import KeyRing

PAYLOAD_TYPE: Final = "application/vnd.placet.facts.v1+json"


def open_facts(envelope: bytes, ring: KeyRing, now: datetime, *, last_version: int = 0) -> Facts:
    """The facts in `envelope`. `last_version` is the highest version opened before.

    Raises:
        Denied: signature, form, expiry or version do not hold.
        NewerRecord: a newer Placet wrote it.
    """
    payload = dsse.open_envelope(envelope, PAYLOAD_TYPE, ring).payload
    try:
        facts = Facts.read(payload)
    except BadInput as error:
        raise Denied(f"the payload is no law base: {error}") from error
    if facts.canonical() != payload:
        raise Denied("the facts are not in canonical form; their digest would be ambiguous")
    if facts.version < last_version:
        raise Denied(
            f"facts version {facts.version} is older than version {last_version} seen before; sign a newer one"
        )
    if now >= facts.valid_until:
        raise Denied(f"the facts expired at {facts.valid_until.isoformat()}; have them reviewed and signed again")
    return facts
