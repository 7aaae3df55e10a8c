"""Signed facts, opened: the law base as the person who answers for it signed it. Sealed in `policies.signing.facts`.

Inventory writer and followers call this. Refused: facts that nobody in the ring signed, expired ones, and a version
below one seen before, because an old law base is the cheapest way to make something lawful again. What was seen
before is in the ledger (`recorded`), and in the process itself (`Latch`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from estate.canonical import Json
from estate.clocks import Clock
from estate.errors import BadInput, Denied
from estate.identities import Subject
from estate.law import Facts
from policies import dsse
from policies.keyrings import KeyRing
from policies.ledger.port import Draft, EntryKind, Ledger
from policies.services import services

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


class Latch:
    """Opens facts and remembers the highest version that it opened: never an older one after it."""

    def __init__(self, ring: KeyRing, clock: Clock, last_version: int = 0) -> None:
        self._ring = ring
        self._clock = clock
        self._last = last_version

    def __call__(self, envelope: bytes) -> Facts:
        """The facts in `envelope`. Raises as `open_facts`."""
        facts = open_facts(envelope, self._ring, self._clock(), last_version=self._last)
        self._last = facts.version
        return facts


async def recorded(ledger: Ledger) -> int:
    """The highest version of facts that the ledger says was in force; 0 before the first."""
    versions = [e.body.get("version") async for e in ledger.entries(kind=EntryKind.FACTS_LOADED)]
    return max((v for v in versions if isinstance(v, int)), default=0)


def loaded(facts: Facts, by: Subject, at: datetime) -> Draft:
    """The entry that facts are in force here; one for each law base."""
    body: dict[str, Json] = {"version": facts.version, "digest": facts.facts_digest, "services": services(facts)}
    return Draft(EntryKind.FACTS_LOADED, at, by, body, f"facts-loaded:{facts.facts_digest}")
