"""Who may speak: the enrolments that administrators signed, as the ledger holds them.

Gate, executor and console load them from the ledger and follow new ones with `apply`. Every question is asked of a
time, so that what a since revoked key signed while it was in force still stands. The first administrator signs their
own enrolment and is pinned by key id at `placet init`. Refused: other installations, keys under a foreign id, a key
that speaks for somebody else already, and signers who were no administrator then.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from estate.clocks import Clock
from estate.errors import BadInput, Denied
from estate.identities import Enrolment, Role, Subject, SubjectKind
from estate.ids import InstallationId, KeyId
from policies import dsse
from policies.keyrings import Algorithm, KeyRing, StaticRing, algorithm_of, algorithms_of, key_id_of
from policies.ledger.port import Draft, EntryKind, Ledger

PAYLOAD_TYPE: Final = "application/vnd.placet.enrolment.v1+json"
MAX_SKEW: Final = timedelta(seconds=30)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An enrolment that may take effect once it is in the ledger, and who signed it."""

    enrolment: Enrolment
    signer: Subject
    envelope: bytes

    def draft(self, at: datetime) -> Draft:
        """The ledger entry that must stand before `Enrolments.apply`."""
        return Draft(
            kind=EntryKind.ENROLLED,
            at=at,
            by=self.signer,
            body={"envelope": self.envelope.decode()},
            key=f"enrolled:{self.enrolment.digest}",
        )


class Enrolments:
    """Every enrolment of one installation, past and present."""

    def __init__(self, installation: InstallationId, first_administrator: KeyId, clock: Clock) -> None:
        self._installation = installation
        self._first = first_administrator
        self._clock = clock
        self._history: dict[KeyId, list[Enrolment]] = {}

    def of_key(self, key: KeyId, now: datetime | None = None) -> Enrolment | None:
        """For whom that key speaks at `now` (by the clock where none is given); None when it speaks for nobody."""
        at = now or self._clock()
        begun = [e for e in self._history.get(key, ()) if e.enrolled_at <= at + MAX_SKEW]
        if not begun or begun[-1].revoked or at >= begun[-1].valid_until:
            return None
        return begun[-1]

    def of_subject(self, subject: Subject, now: datetime | None = None) -> tuple[Enrolment, ...]:
        """Every enrolment in force of that subject, one for each key."""
        found = (self.of_key(key, now) for key in sorted(self._history))
        return tuple(e for e in found if e is not None and e.subject == subject)

    def in_force(self, now: datetime | None = None) -> tuple[Enrolment, ...]:
        """Every enrolment in force, by key."""
        found = (self.of_key(key, now) for key in sorted(self._history))
        return tuple(e for e in found if e is not None)

    def ring(self, now: datetime | None = None) -> KeyRing:
        """The keys that speak for somebody: a live view by the clock, or as it stood at `now`."""
        return _Ring(self, now)

    def process_ring(self, process: Subject, founding: StaticRing, now: datetime | None = None) -> KeyRing:
        """The keys of a process: those it was founded with, until they are revoked, and those enrolled for it since."""
        return _ProcessRing(self, process, founding, now)

    def keys_of(self, subject: Subject, now: datetime | None = None) -> frozenset[KeyId]:
        """The keys that speak for a subject by `now`, without the skew that a person's first word is forgiven."""
        at = now or self._clock()
        found = self.of_subject(subject, at)
        return frozenset(e.key_id for e in found if e.enrolled_at <= at)

    def revoked(self, key: KeyId, now: datetime | None = None) -> bool:
        """Whether an administrator has ended that key by `now`."""
        at = now or self._clock()
        begun = [e for e in self._history.get(key, ()) if e.enrolled_at <= at]
        return bool(begun) and begun[-1].revoked

    def admit(self, envelope: bytes, now: datetime | None = None) -> Admitted:
        """Check that an enrolment may take effect at `now`; changes nothing.

        Raises:
            Denied: form, signature, or the signer's standing does not hold.
        """
        at = now or self._clock()
        founding = self._founding_ring(envelope)
        opened = dsse.open_envelope(envelope, PAYLOAD_TYPE, founding or self.ring(at))
        enrolment = _read(opened.payload)
        self._check(enrolment, at)
        if founding is not None:
            return Admitted(_founder(enrolment), enrolment.subject, envelope)
        signers = (self.of_key(key, at) for key in opened.key_ids)
        by = next((s.subject for s in signers if s is not None and Role.ADMINISTRATOR in s.roles), None)
        if by is None:
            raise Denied(f"`{opened.key_ids[0]}` is no administrator's key; have an administrator sign the enrolment")
        return Admitted(enrolment, by, envelope)

    def apply(self, envelope: bytes, now: datetime | None = None) -> Enrolment:
        """Let an enrolment take effect; of one seen before, nothing changes.

        Raises:
            Denied: as `admit`.
        """
        known = {e.digest: e for e in self._history.get(_stated_key(envelope), ())}
        if known and (seen := known.get(_read(dsse.stated_payload(envelope)).digest)) is not None:
            return seen
        enrolment = self.admit(envelope, now).enrolment
        history = [*self._history.get(enrolment.key_id, ()), enrolment]
        self._history[enrolment.key_id] = sorted(history, key=lambda e: (e.enrolled_at, e.revoked))
        return enrolment

    async def load(self, ledger: Ledger) -> None:
        """Take every enrolment in the ledger, each as of the time of its entry. One that does not hold is skipped."""
        async for entry in ledger.entries(kind=EntryKind.ENROLLED):
            if not entry.salt:
                continue  # of somebody who was forgotten
            try:
                self.apply(str(entry.body.get("envelope", "")).encode(), entry.at)
            except Denied as error:
                log.warning("enrolment skipped", entry=entry.index, reason=str(error))

    def _founding_ring(self, envelope: bytes) -> KeyRing | None:
        """A ring of the first administrator's key, when the envelope is their own and the first."""
        if self._first in self._history or _stated_key(envelope) != self._first:
            return None
        return StaticRing.of(_public_key(_read(dsse.stated_payload(envelope))))

    def _check(self, enrolment: Enrolment, now: datetime) -> None:
        if enrolment.installation != self._installation:
            raise Denied(f"the enrolment is for `{enrolment.installation}`, this is `{self._installation}`")
        if _name_of(enrolment) != enrolment.key_id:
            raise Denied(f"`{enrolment.key_id}` does not name the enrolment's public key; enrol it under its own id")
        if enrolment.enrolled_at > now + MAX_SKEW:
            raise Denied("the enrolment is dated more than 30 s in the future; check the clock that signed it")
        holder = next((e.subject for e in self._history.get(enrolment.key_id, ())), enrolment.subject)
        if holder != enrolment.subject:
            raise Denied(f"`{enrolment.key_id}` speaks for `{holder}` already; make another key")


@dataclass(frozen=True, slots=True)
class _Ring:
    """The keys in force, asked of the enrolments each time."""

    enrolments: Enrolments
    now: datetime | None

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """People sign with one key."""
        return frozenset({Algorithm.ED25519})

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key while somebody speaks with it."""
        enrolment = self.enrolments.of_key(key, self.now)
        return _public_key(enrolment) if enrolment else None


@dataclass(frozen=True, slots=True)
class _ProcessRing:
    """The keys of one process, asked of the enrolments each time."""

    enrolments: Enrolments
    process: Subject
    founding: StaticRing
    now: datetime | None

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """Of all keys in force: a process that was given a second kind of key signs with both from then on."""
        return algorithms_of(self.enrolments.keys_of(self.process, self.now) | self._founding)

    @property
    def _founding(self) -> frozenset[KeyId]:
        return frozenset(k for k in self.founding.keys if not self.enrolments.revoked(k, self.now))

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key while it is the process's."""
        founding = self.founding.public_key(key)
        if founding is not None:
            return None if self.enrolments.revoked(key, self.now) else founding
        enrolment = self.enrolments.of_key(key, self.now)
        return _public_key(enrolment) if enrolment is not None and enrolment.subject == self.process else None


def _founder(enrolment: Enrolment) -> Enrolment:
    if Role.ADMINISTRATOR not in enrolment.roles or enrolment.revoked:
        raise Denied("the first enrolment must be an administrator's, and not revoked; run `placet init` again")
    return enrolment


def _stated_key(envelope: bytes) -> KeyId:
    return _read(dsse.stated_payload(envelope)).key_id


def _read(payload: bytes) -> Enrolment:
    try:
        enrolment = Enrolment.read(payload)
        canonical = enrolment.canonical() == payload
    except BadInput as error:
        raise Denied(f"the payload is no enrolment: {error}") from error
    if not canonical:
        raise Denied("the enrolment is not in canonical form; its digest would be ambiguous")
    return enrolment


def _name_of(enrolment: Enrolment) -> KeyId:
    key = _public_key(enrolment)
    try:
        return key_id_of(key)
    except BadInput as error:
        raise Denied(f"the public key of `{enrolment.key_id}` has {len(key)} bytes; an ed25519 key has 32") from error


def _public_key(enrolment: Enrolment) -> bytes:
    try:
        key = base64.b64decode(enrolment.public_key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Denied(f"the public key of `{enrolment.key_id}` is not base64") from error
    if enrolment.subject.kind is SubjectKind.HUMAN and algorithm_of(enrolment.key_id) is not Algorithm.ED25519:
        raise Denied(f"`{enrolment.key_id}` is no ed25519 key; people sign with one of those")
    return key
