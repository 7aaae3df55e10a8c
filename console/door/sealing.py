"""What a person signs with their own key before it leaves their machine: words, controls, enrolments, reliefs.

The CLI calls this; chat and web will. The gate and every follower verify these envelopes themselves, so that the
console that carries them is trusted with nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from console import identities
from console.door.commands import Approve, Control, Set
from console.state import StateDirectory
from estate.approvals import Approval, Diff, Word
from estate.identities import Enrolment
from estate.ids import Digest, IncidentId, PolicyId, SiteId, TenantId
from estate.modes import Freeze, Mode, ModeSetting, Scope
from estate.ratifications import Ratification
from estate.records import Record
from estate.reliefs import BreakGlass, GlassWord, PolicyException
from policies import approving, controls, enrolments
from policies.signing.sealing import seal

type Where = tuple[str | None, str | None]
"""A site and a tenant; None is all of them."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A person's word on what they were shown."""

    incident: IncidentId
    diff: Diff
    word: Word
    reason: str


@dataclass(frozen=True, slots=True)
class Excepted:
    """An exception that a person asks for."""

    rule: str
    where: Where
    target: str
    reason: str
    lasts: timedelta
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of broken glass."""

    word: GlassWord
    of: Digest | None
    where: Where
    reason: str


@dataclass(frozen=True, slots=True)
class Ratifying:
    """Rules that a person signs into force."""

    bundles: tuple[Digest, ...]
    author: str
    """Who wrote what is not the release's own, by name; empty: it is."""
    reason: str
    lasts: timedelta
    revoked: bool = False


def seal_word(state: StateDirectory, who: str | None, decided: Decided) -> Approve:
    """The approval or denial of exactly the proposal and the diff that were shown."""
    speaker = identities.load(state, who)
    approval = Approval(
        installation=state.record().id,
        incident=decided.incident,
        proposal=decided.diff.proposal,
        diff=decided.diff.digest,
        word=decided.word,
        approver=speaker.subject,
        reason=decided.reason,
        at=datetime.now(UTC),
    )
    return Approve(envelope=seal(approval.canonical(), approving.PAYLOAD_TYPE, speaker.signer).decode())


def seal_freeze(state: StateDirectory, who: str | None, where: Where, frozen: bool, reason: str) -> Set:
    """A freeze of a scope, or its end."""
    speaker = identities.load(state, who)
    record = Freeze(
        installation=state.record().id,
        scope=_scope(where),
        frozen=frozen,
        reason=reason,
        by=speaker.subject,
        at=datetime.now(UTC),
    )
    return _set(Control.FREEZE, record, speaker)


def seal_mode(state: StateDirectory, who: str | None, where: Where, mode: Mode) -> Set:
    """The mode of a scope."""
    speaker = identities.load(state, who)
    record = ModeSetting(
        installation=state.record().id, scope=_scope(where), mode=mode, by=speaker.subject, at=datetime.now(UTC)
    )
    return _set(Control.MODE, record, speaker)


def seal_exception(state: StateDirectory, who: str | None, asked: Excepted) -> Set:
    """One rule gives way in a scope until a time; or does so no more."""
    speaker, now = identities.load(state, who), datetime.now(UTC)
    record = PolicyException(
        installation=state.record().id,
        rule=PolicyId(asked.rule),
        scope=_scope(asked.where),
        target=asked.target,
        reason=asked.reason,
        valid_until=now + asked.lasts,
        revoked=asked.revoked,
        by=speaker.subject,
        at=now,
    )
    return _set(Control.EXCEPTION, record, speaker)


def seal_glass(state: StateDirectory, who: str | None, said: Said) -> Set:
    """One person's part in broken glass: they break it, second it, or review what was done."""
    speaker = identities.load(state, who)
    record = BreakGlass(
        installation=state.record().id,
        word=said.word,
        of=said.of,
        scope=_scope(said.where),
        reason=said.reason,
        by=speaker.subject,
        at=datetime.now(UTC),
    )
    return _set(Control.GLASS, record, speaker)


def seal_ratification(state: StateDirectory, who: str | None, asked: Ratifying) -> Set:
    """These rules are the law until a time; or are no more."""
    speaker, now = identities.load(state, who), datetime.now(UTC)
    record = Ratification(
        installation=state.record().id,
        bundles=asked.bundles,
        author=identities.person(state.record().id, asked.author) if asked.author else None,
        reason=asked.reason,
        valid_until=now + asked.lasts,
        revoked=asked.revoked,
        by=speaker.subject,
        at=now,
    )
    return _set(Control.RATIFICATION, record, speaker)


def seal_enrolment(state: StateDirectory, who: str | None, enrolment: Enrolment) -> Set:
    """An administrator's word that a key speaks for a person."""
    return _set(Control.ENROLMENT, enrolment, identities.load(state, who))


PAYLOAD_TYPES = {
    Control.FREEZE: controls.FREEZE_TYPE,
    Control.MODE: controls.MODE_TYPE,
    Control.ENROLMENT: enrolments.PAYLOAD_TYPE,
    Control.EXCEPTION: controls.EXCEPTION_TYPE,
    Control.GLASS: controls.GLASS_TYPE,
    Control.RATIFICATION: controls.RATIFICATION_TYPE,
}
"""The DSSE payload type of each signed control."""


def _set(control: Control, record: Record, speaker: identities.Identity) -> Set:
    envelope = seal(record.canonical(), PAYLOAD_TYPES[control], speaker.signer)
    return Set(control=control, envelope=envelope.decode())


def _scope(where: Where) -> Scope:
    site, tenant = where
    return Scope(site=SiteId(site) if site else None, tenant=TenantId(tenant) if tenant else None)
