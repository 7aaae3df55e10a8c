"""Signed facts, opened: the law base as the person who answers for it signed it. Sealed in `policies.signing.facts`.

Inventory writer and followers call this. Refused: facts that nobody in the ring signed, expired ones, and a version
below one seen before, because an old law base is the cheapest way to make something lawful again. What was seen
before is in the ledger (`recorded`), and in the process itself (`Latch`).

The facts' key is replaced on the owner's word alone, the first administrator's, whose key everybody has: a `Succession`
says which key follows which. Facts carry the words by which their key came to be the last, so that a process without a
ledger needs nothing else. Who stole the facts' key cannot name a successor; a key that was replaced signs nothing more.
The owner's own key is replaced on its own word (`OwnerSuccession`), carried likewise; whoever has seen an owner take
over accepts no words that leave them out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Self

from estate import canonical
from estate.canonical import Json
from estate.clocks import Clock
from estate.errors import BadInput, Denied
from estate.identities import Subject
from estate.ids import InstallationId, KeyId
from estate.law import Facts
from estate.records import Record, Time
from policies import dsse
from policies.keyrings import Algorithm, KeyRing, StaticRing, key_id_of
from policies.ledger.port import Draft, EntryKind, Ledger
from policies.services import services

PAYLOAD_TYPE: Final = "application/vnd.placet.facts.v1+json"
SUCCESSION_TYPE: Final = "application/vnd.placet.succession.v1+json"
OWNER_TYPE: Final = "application/vnd.placet.owner-succession.v1+json"
_MOST_SUCCESSIONS: Final = 64


class _Word(Record):
    """One key follows another."""

    installation: InstallationId
    old: KeyId
    new: KeyId
    public_key: str
    """Of the new key, raw, in standard base64."""
    at: Time

    @classmethod
    def of(cls, installation: InstallationId, old: KeyId, public_key: bytes, at: datetime) -> Self:
        """The word for a raw public key."""
        text = base64.b64encode(public_key).decode()
        return cls(installation=installation, old=old, new=key_id_of(public_key), public_key=text, at=at)


class Succession(_Word):
    """The owner's word that one key signs the facts from now on, and another no more."""

    kind: Literal["placet.succession"] = "placet.succession"
    v: Literal[1] = 1


class OwnerSuccession(_Word):
    """The owner's word that another key speaks for the facts' owner from now on, and their own no more."""

    kind: Literal["placet.owner-succession"] = "placet.owner-succession"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class FactsRing:
    """Who may sign facts: the key of the founding, and whoever the owner says has followed it."""

    founding: StaticRing
    owner: StaticRing
    """Whose word replaces the facts' key."""

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """Of the founding key."""
        return self.founding.algorithms

    def public_key(self, key: KeyId) -> bytes | None:
        """Of the founding key."""
        return self.founding.public_key(key)


@dataclass(frozen=True, slots=True)
class Opened:
    """Facts that verified, the key that signed them, and those that it has followed."""

    facts: Facts
    key: KeyId
    retired: frozenset[KeyId]
    owners: tuple[KeyId, ...] = ()
    """The keys of its owners, from the founding on, where words were carried; the last is in force."""


def open_facts(envelope: bytes, ring: KeyRing, now: datetime, *, last_version: int = 0) -> Facts:
    """The facts in `envelope`. `last_version` is the highest version opened before.

    Raises:
        Denied: signature, form, expiry or version do not hold, or a word that it carries does not.
        NewerRecord: a newer Placet wrote it.
    """
    return opened(envelope, ring, now, last_version=last_version).facts


def opened(
    envelope: bytes,
    ring: KeyRing,
    now: datetime,
    *,
    last_version: int = 0,
    retired: frozenset[KeyId] = frozenset(),
    owner: KeyId | None = None,
) -> Opened:
    """As `open_facts`, with the key. One of `retired` signs nothing more, and words without the `owner` who is known to
    have taken over count for nothing. Raises as `open_facts`.
    """
    signed, words = _taken_apart(envelope)
    line = _in_force(words, ring)
    if owner is not None and owner not in line.owners:
        raise Denied(f"the facts do not carry the word by which `{owner}` became their owner; have them signed anew")
    found = dsse.open_envelope(signed, PAYLOAD_TYPE, line.ring)
    if (key := found.key_ids[0]) in retired | line.gone:
        raise Denied(f"the facts are signed by `{key}`, which was replaced; have them signed by the key in force")
    facts = _facts(found.payload)
    if facts.version < last_version:
        raise Denied(
            f"facts version {facts.version} is older than version {last_version} seen before; sign a newer one"
        )
    if now >= facts.valid_until:
        raise Denied(f"the facts expired at {facts.valid_until.isoformat()}; have them reviewed and signed again")
    return Opened(facts, key, line.gone, line.owners)


def carrying(envelope: bytes, words: Iterable[bytes]) -> bytes:
    """An envelope of facts with the owner's words, oldest first, by which its key came to sign them."""
    listed: list[Json] = [canonical.loads(w) for w in words]
    return canonical.dumps({"facts": canonical.loads(envelope), "successions": listed}) if listed else envelope


def bare(envelope: bytes) -> bytes:
    """The envelope of the facts alone. Raises Denied: it is none."""
    return _taken_apart(envelope)[0]


def carried_by(envelope: bytes) -> tuple[bytes, ...]:
    """The owner's words that an envelope carries, UNVERIFIED: to be carried on. Raises Denied: it is none."""
    return _taken_apart(envelope)[1]


def successions_of(envelope: bytes) -> tuple[Succession | OwnerSuccession, ...]:
    """The same, read."""
    return tuple(_stated(word) for word in carried_by(envelope))


def _stated(word: bytes) -> Succession | OwnerSuccession:
    payload = dsse.stated_payload(word)
    return OwnerSuccession.read(payload) if dsse.stated_type(word) == OWNER_TYPE else Succession.read(payload)


class Latch:
    """Opens facts and remembers the highest version that it opened, and which keys have gone: neither comes back."""

    def __init__(
        self,
        ring: KeyRing,
        clock: Clock,
        last_version: int = 0,
        retired: frozenset[KeyId] = frozenset(),
        owner: KeyId | None = None,
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._last = last_version
        self._retired = retired
        self.owner = owner
        """Who is known to have taken over as the facts' owner; None: the first one still is."""
        self.key: KeyId | None = None
        """That signed the facts which were opened last."""

    @property
    def retired(self) -> frozenset[KeyId]:
        """The keys that were replaced."""
        return self._retired

    def __call__(self, envelope: bytes) -> Facts:
        """The facts in `envelope`. Raises as `open_facts`."""
        found = opened(
            envelope, self._ring, self._clock(), last_version=self._last, retired=self._retired, owner=self.owner
        )
        self._last, self.key, self._retired = found.facts.version, found.key, self._retired | found.retired
        self.owner = found.owners[-1] if len(found.owners) > 1 else self.owner
        return found.facts


async def recorded(ledger: Ledger) -> int:
    """The highest version of facts that the ledger says was in force; 0 before the first."""
    versions = [e.body.get("version") async for e in ledger.entries(kind=EntryKind.FACTS_LOADED)]
    return max((v for v in versions if isinstance(v, int)), default=0)


async def retired(ledger: Ledger) -> frozenset[KeyId]:
    """The keys that the ledger says were replaced."""
    lists = [e.body.get("retired") async for e in ledger.entries(kind=EntryKind.FACTS_LOADED)]
    return frozenset(KeyId(str(key)) for keys in lists if isinstance(keys, list) for key in keys)


async def owner(ledger: Ledger) -> KeyId | None:
    """Who the ledger says took over as the facts' owner last; None where nobody did."""
    owners = [e.body.get("owner") async for e in ledger.entries(kind=EntryKind.FACTS_LOADED)]
    return next((KeyId(str(o)) for o in reversed(owners) if o is not None), None)


def loaded(facts: Facts, by: Subject, at: datetime, latch: Latch | None = None) -> Draft:
    """The entry that facts are in force here, and, where their key was replaced, by which; one for each of both."""
    body: dict[str, Json] = {"version": facts.version, "digest": facts.facts_digest, "services": services(facts)}
    key = f"facts-loaded:{facts.facts_digest}"
    if latch is not None and latch.retired and latch.key is not None:
        body |= {"key": latch.key, "retired": [*sorted(latch.retired)]}
        key = f"{key}:{latch.key}"
    if latch is not None and latch.owner is not None:
        body["owner"] = latch.owner
        key = f"{key}:{latch.owner}"
    return Draft(EntryKind.FACTS_LOADED, at, by, body, key)


def _facts(payload: bytes) -> Facts:
    try:
        facts = Facts.read(payload)
    except BadInput as error:
        raise Denied(f"the payload is no law base: {error}") from error
    if facts.canonical() != payload:
        raise Denied("the facts are not in canonical form; their digest would be ambiguous")
    return facts


def _taken_apart(envelope: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The envelope of the facts alone, and the words that came with it."""
    try:
        form = canonical.loads(envelope)
    except BadInput as error:
        raise Denied(f"envelope is {error}") from error
    match form:
        case {"facts": dict(facts), "successions": list(words), **rest} if not rest and len(words) <= _MOST_SUCCESSIONS:
            return canonical.dumps(facts), tuple(canonical.dumps(word) for word in words)
        case _:
            return envelope, ()


@dataclass(frozen=True, slots=True)
class _Line:
    """Who may sign the facts now, which keys did before, and whose word that is."""

    ring: KeyRing
    gone: frozenset[KeyId] = frozenset()
    owners: tuple[KeyId, ...] = ()


def _in_force(words: tuple[bytes, ...], ring: KeyRing) -> _Line:
    """The key that the last word names, and those before it; the ring itself where there is none."""
    if not words:
        return _Line(ring)
    if not isinstance(ring, FactsRing):
        raise Denied("these facts carry words of an owner whom nobody here knows; ask with the installation's record")
    key, gone, current = next(iter(ring.founding.keys)), set[KeyId](), ring.founding
    owner, owners = ring.owner, [next(iter(ring.owner.keys))]
    for word in words:
        if dsse.stated_type(word) == OWNER_TYPE:
            taken = _said(OwnerSuccession, dsse.open_envelope(word, OWNER_TYPE, owner).payload)
            _check_follows(taken, owners[-1], "is the facts' owner")
            owner, owners = _ring_of(taken), [*owners, taken.new]
            continue
        said = _said(Succession, dsse.open_envelope(word, SUCCESSION_TYPE, owner).payload)
        _check_follows(said, key, "signs the facts")
        gone.add(key)
        current, key = _ring_of(said), said.new
    if key in gone or owners[-1] in owners[:-1]:
        raise Denied(f"`{key if key in gone else owners[-1]}` was replaced, and does not come back; make another key")
    return _Line(current, frozenset(gone), tuple(owners))


def _check_follows(said: _Word, now: KeyId, what: str) -> None:
    if said.old != now:
        raise Denied(f"`{said.new}` is said to follow `{said.old}`, and `{now}` {what}; a word is missing")


def _said[W: _Word](kind: type[W], payload: bytes) -> W:
    try:
        return kind.read(payload)
    except BadInput as error:
        raise Denied(f"the payload is no succession: {error}") from error


def _ring_of(said: _Word) -> StaticRing:
    try:
        return StaticRing({said.new: base64.b64decode(said.public_key, validate=True)})
    except (binascii.Error, ValueError, BadInput) as error:
        raise Denied(f"`{said.new}` does not name the key that is said to follow") from error
