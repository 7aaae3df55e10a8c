"""Forgetting a person: bodies and salts of what they did, or what names them, go; every leaf and every proof stays.

A leaf holds a salted hash of the body and of the author, so that without the salt nobody can tell any more whose it
was. The erasure is an entry itself, which says how many bodies and which entries, and not whose: a verifier can tell
what was erased lawfully from what was taken out of a copy. Refused while the person is enrolled, and while a change of
theirs is under way. Kept, and told with the reason: settings that are in force under their signature, and then the
enrolments by which that signature is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput, Denied
from estate.identities import Subject
from estate.ids import Digest
from policies import dsse
from policies.enrolments import Enrolments
from policies.ledger.archives import Archive
from policies.ledger.leaves import Leaf
from policies.ledger.port import Draft, Entry, EntryKind

OPEN_FOR: Final = timedelta(days=30)
"""How long a proposal without an end may still be decided, and must be readable."""

_HISTORY: Final = frozenset(
    {
        EntryKind.PROPOSED,
        EntryKind.DECIDED,
        EntryKind.APPROVED,
        EntryKind.DENIED,
        EntryKind.STEP_STARTED,
        EntryKind.STEP_APPLIED,
        EntryKind.STEP_FAILED,
        EntryKind.UNDO_STARTED,
        EntryKind.UNDO_APPLIED,
        EntryKind.UNDO_FAILED,
        EntryKind.NOTIFIED,
        EntryKind.PRESERVED,
        EntryKind.CANARY_STARTED,
        EntryKind.CANARY_PASSED,
        EntryKind.OUTCOME,
        EntryKind.POST_CHECKED,
        EntryKind.COMMANDED,
    }
)
"""What nobody reads any more once its change is over. Warrants and their consumption name nobody."""
_SCOPED: Final = frozenset({EntryKind.FROZEN, EntryKind.MODE_SET})


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was, or would be, forgotten; and what stays, each with its reason."""

    erased: tuple[Entry, ...]
    kept: tuple[tuple[Entry, str], ...]

    @property
    def bodies(self) -> int:
        """How many bodies that are: a projection in a tenant's log has one of its own."""
        return sum(1 + len(Leaf.read(entry.leaf).tenants) for entry in self.erased)

    def draft(self, by: Subject, at: datetime, nonce: str) -> Draft:
        """The entry that must stand before anything is forgotten."""
        indices: list[Json] = [entry.index for entry in self.erased]
        body: dict[str, Json] = {"bodies": self.bodies, "entries": indices, "kept": len(self.kept)}
        return Draft(EntryKind.ERASED, at, by, body, f"erased:{nonce}")


async def erase(archive: Archive, erasure: Erasure, by: Subject, at: datetime, nonce: str) -> int:
    """Say so in the ledger, then forget; how many bodies went. Doing it again after a crash forgets the rest."""
    await archive.append(erasure.draft(by, at, nonce))
    return sum([await archive.erase(entry.key) for entry in erasure.erased])


async def planned(archive: Archive, subject: Subject, enrolments: Enrolments, now: datetime) -> Erasure:
    """What forgetting `subject` means.

    Raises:
        Denied: they are enrolled still, or a change of theirs is under way; the message names it.
        BadInput: the ledger holds nothing of them.
    """
    if enrolments.of_subject(subject, now):
        raise Denied(f"`{subject.name}` is enrolled; end that first with `placet enrol {subject.name} --revoke`")
    sorting = _Sorting(subject)
    async for entry in archive.entries():
        sorting.take(entry)
    if not sorting.found:
        raise BadInput(f"the ledger holds nothing of `{subject.name}` that it could forget")
    if under_way := sorting.under_way(now):
        raise Denied(f"proposal `{under_way}` concerns `{subject.name}` and has not ended; wait for its end")
    return sorting.sorted()


@dataclass(slots=True)
class _Sorting:
    """The whole ledger, sorted by what it says of one person."""

    subject: Subject
    found: list[Entry] = field(default_factory=list)
    _ended: set[Digest] = field(default_factory=set)
    _newest: dict[tuple[EntryKind, str], int] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """One more entry, in order."""
        if entry.proposal is not None and _ends(entry):
            self._ended.add(entry.proposal)
        if entry.kind in _SCOPED and entry.salt:
            self._newest[entry.kind, _scope(entry)] = entry.index
        if entry.salt and self._concerns(entry):
            self.found.append(entry)

    def under_way(self, now: datetime) -> Digest | None:
        """A proposal of theirs that may still be decided or executed."""
        return next(
            (
                e.proposal
                for e in self.found
                if e.proposal is not None and e.proposal not in self._ended and now < e.at + OPEN_FOR
            ),
            None,
        )

    def sorted(self) -> Erasure:
        """What goes and what stays."""
        kept = [(e, reason) for e in self.found if (reason := self._reason_to_keep(e))]
        staying = {e.index for e, _ in kept}
        if kept:
            known = [e for e in self.found if e.kind is EntryKind.ENROLLED and e.index not in staying]
            kept += [(e, "by it the signature under what is kept is known") for e in known]
            staying |= {e.index for e in known}
        return Erasure(tuple(e for e in self.found if e.index not in staying), tuple(kept))

    def _reason_to_keep(self, entry: Entry) -> str:
        if entry.kind in _HISTORY:
            return ""
        if entry.kind in _SCOPED:
            stands = self._newest[entry.kind, _scope(entry)] == entry.index
            return "it is in force; set it again under another name first" if stands else ""
        if entry.kind is EntryKind.ENROLLED:
            return "" if self._is_own(entry) else "somebody else is enrolled by it; enrol them under another name first"
        return f"`{entry.kind.value}` is in force, or was law for others"

    def _is_own(self, enrolled: Entry) -> bool:
        return _names(_payload(enrolled.body).get("subject"), self.subject)

    def _concerns(self, entry: Entry) -> bool:
        return entry.by == str(self.subject) or _names(dict(entry.body), self.subject)


def _ends(entry: Entry) -> bool:
    if entry.kind is EntryKind.OUTCOME:
        return True
    verdict = entry.body.get("verdict")
    return entry.kind is EntryKind.DECIDED and isinstance(verdict, Mapping) and verdict.get("decision") == "forbid"


def _scope(entry: Entry) -> str:
    return canonical.dumps(_payload(entry.body).get("scope")).decode()


def _payload(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """What a signed setting says, whoever signed it."""
    form = canonical.loads(dsse.stated_payload(str(body.get("envelope", "")).encode()))
    return form if isinstance(form, dict) else {}


def _names(value: Json, subject: Subject) -> bool:
    """Whether a body names the person: as a subject, in a sentence, or inside a signed envelope."""
    match value:
        case str():
            return _is_in(subject, value) or (value.startswith("{") and _names(_opened(value), subject))
        case dict():
            return value == subject.json_form() or any(_names(item, subject) for item in value.values())
        case list():
            return any(_names(item, subject) for item in value)
        case _:
            return False


def _is_in(subject: Subject, text: str) -> bool:
    """Whether a sentence names the person, and not somebody whose name only begins so."""
    name = str(subject)
    return name in text and re.search(rf"{re.escape(name)}(?![a-z0-9_@\-]|\.[a-z0-9])", text) is not None


def _opened(text: str) -> Json:
    try:
        return canonical.loads(dsse.stated_payload(text.encode()))
    except (Denied, BadInput):
        return None
