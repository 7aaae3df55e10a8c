"""The page that holds every reservation, and what a change writes on it. Pure; called by `book` and `source`.

One page, so that whoever writes compares it whole and two reservations never share a device, whichever executors write
at one time. Who wrote an entry stands beside it: a step that is done again finds itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field

from estate.changes import ReleaseCapacity, ReserveCapacity
from estate.conditions import Condition, Miss, Value, missed, of_reservation
from estate.ids import Digest, ReservationId, Uid
from estate.records import Model, Record, Time
from estate.results import Refusal, RefusalCode
from estate.things import ThingKind
from estate.uses.reservations import Reservation, Terms

KEPT_FOR: Final = timedelta(days=7)
"""How long an entry that is over stays: no execution lasts as long."""

type Reserving = ReserveCapacity | ReleaseCapacity


class Entry(Model):
    """One reservation, as its last step left it."""

    id: ReservationId
    terms: Terms | None
    """None: it was given back."""
    proposal: Digest
    """Of the warrant by which it stands so."""
    steps: tuple[str, ...] = Field(max_length=1000)
    """The keys of all that wrote it, in order."""
    at: Time

    def over(self, now: datetime) -> bool:
        """Whether nobody has it any more."""
        return self.terms is None or self.terms.end <= now

    @property
    def reservation(self) -> Reservation | None:
        """It as the estate knows it."""
        return None if self.terms is None else Reservation.of(self.id, self.terms, self.proposal)


class Page(Record):
    """All of them, by id."""

    kind: Literal["placet.reservations"] = "placet.reservations"
    v: Literal[1] = 1
    entries: tuple[Entry, ...] = ()

    def entry(self, name: str) -> Entry | None:
        """The entry of that name."""
        return next((e for e in self.entries if e.id == name), None)

    def standing(self, now: datetime) -> tuple[Reservation, ...]:
        """Those that have not ended."""
        return tuple(r for e in self.entries if not e.over(now) and (r := e.reservation) is not None)

    def misses(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """Those conditions on reservations that it does not meet."""
        return tuple(m for c in conditions if (m := missed(c, *self._read(c))) is not None)

    def _read(self, condition: Condition) -> tuple[Uid | None, Value]:
        entry = self.entry(condition.about.id)
        return of_reservation(entry.reservation if entry is not None else None)


class Key(Model):
    """Which step writes: of which proposal, and by what name it knows itself again."""

    proposal: Digest
    step: str


def written(
    page: Page, key: Key, change: Reserving, conditions: Sequence[Condition], now: datetime
) -> Page | Refusal | None:
    """The page with that change; why it cannot be written; or None where that very step wrote it before."""
    entry = page.entry(change.reservation)
    if entry is not None and key.step in entry.steps:
        return None
    if refusal := refused(page, change, conditions):
        return refusal
    made = Entry(
        id=change.reservation,
        terms=change.terms if isinstance(change, ReserveCapacity) else None,
        proposal=key.proposal,
        steps=(*(entry.steps if entry is not None else ()), key.step),
        at=now,
    )
    kept = (e for e in page.entries if e.id != made.id and not _forgotten(e, now))
    return Page(entries=tuple(sorted((*kept, made), key=lambda e: e.id)))


def refused(page: Page, change: Reserving, conditions: Sequence[Condition]) -> Refusal | None:
    """Why that change cannot be written on this page."""
    if missing := page.misses(_of_reservations(conditions)):
        return _no(change, RefusalCode.PRECONDITION_FAILED, f"{missing[0].fault}; decide again on a newer snapshot")
    if isinstance(change, ReleaseCapacity):
        return None
    for entry in page.entries:
        if entry.id != change.reservation and entry.terms is not None and _share(entry.terms, change.terms):
            return _no(change, RefusalCode.NO_CAPACITY, "shares devices with another of the same time; plan again")
    return None


def _share(one: Terms, other: Terms) -> bool:
    return one.meets(other.start, other.end) and not one.devices.isdisjoint(other.devices)


def _forgotten(entry: Entry, now: datetime) -> bool:
    ended = entry.at if entry.terms is None else max(entry.at, entry.terms.end)
    return ended + KEPT_FOR < now


def _of_reservations(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    return tuple(c for c in conditions if c.about.kind is ThingKind.RESERVATION)


def _no(change: Reserving, code: RefusalCode, why: str) -> Refusal:
    about = str(change.target())
    return Refusal(code=code, about=about, message=f"`{about}` {why}")
