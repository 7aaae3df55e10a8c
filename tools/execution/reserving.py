"""The target of a world whose future is reserved too: reservations go to the book, everything else to the world.

Called by the composition root around whatever target an executor has, and so the same on a twin and on clusters. No
system of the world is told of a reservation: what keeps it is that every later decision reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from estate import canonical
from estate.changes import Change, ReleaseCapacity, ReserveCapacity
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.ids import Digest
from estate.kept import Kept
from estate.results import Refusal
from estate.things import Thing, ThingKind
from tools.execution.patience import Patience
from tools.execution.port import StepKey, Target
from tools.reservations.book import Book
from tools.reservations.pages import Key, Page, Reserving, written


class WithReservations:
    """A target with the book beside it. See the port for what each call does."""

    def __init__(self, target: Target, book: Book) -> None:
        self._target, self._book = target, book

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """See the port."""
        own, others = _split(conditions)
        missed = await self._target.check(others) if others else ()
        return (*missed, *((await self._book.page()).misses(own) if own else ()))

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        """See the port. What stands in the book stands there at once."""
        own, others = _split(conditions)
        missed = await self._target.verify(others, patience) if others else ()
        return (*missed, *(await self.check(own)))

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        """See the port. That the devices are there and are sound was decided on the newest snapshot."""
        others = [s for s in steps if not isinstance(s.change, ReserveCapacity | ReleaseCapacity)]
        if others and (refusal := await self._target.rehearse(others)):
            return refusal
        page = await self._book.page() if len(others) < len(steps) else Page()
        for step in steps:
            if isinstance(step.change, ReserveCapacity | ReleaseCapacity):
                played = _played(page, step, step.change, self._book)
                if isinstance(played, Refusal):
                    return played
                page = played or page
        return None

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        """See the port."""
        others = [t for t in things if t.kind is not ThingKind.RESERVATION]
        found = {k.about: k for k in (await self._target.preserve(others) if others else ())}
        page = await self._book.page() if len(others) < len(things) else Page()
        return tuple(found.get(t) or _kept(page, t) for t in things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        """See the port."""
        if isinstance(change, ReserveCapacity | ReleaseCapacity):
            own = Key(proposal=Digest(key.proposal), step=str(key))
            return await self._book.write(own, change, preconditions)
        return await self._target.apply(key, change, preconditions, expected)


_NOBODY = canonical.digest(b"a rehearsal")


def _played(page: Page, step: Step, change: Reserving, book: Book) -> Page | Refusal | None:
    key = Key(proposal=_NOBODY, step=f"rehearsed:{step.number}")
    return written(page, key, change, step.preconditions, book.now())


def _kept(page: Page, thing: Thing) -> Kept:
    entry = page.entry(thing.id)
    form: Any = entry.reservation.json_form() if entry is not None and entry.reservation is not None else None
    return Kept.of(thing, form)


def _split(conditions: Sequence[Condition]) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
    """Those on reservations, and the others."""
    own = tuple(c for c in conditions if c.about.kind is ThingKind.RESERVATION)
    return own, tuple(c for c in conditions if c.about.kind is not ThingKind.RESERVATION)
