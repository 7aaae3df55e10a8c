"""`inventory.conflicted`: two sources contradict each other about one thing, and nobody guesses who is right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from estate.observations import EventType, Severity
from estate.records import Model
from estate.references import Ref, read_ref
from estate.units import Seconds
from tools.inventory.disagreements import Disagreement
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus


class Quarrels(Model):
    """The contradictions about one thing: field, whose word stands, and whose was refused."""

    open: tuple[tuple[str, str, str], ...] = ()
    over: tuple[tuple[str, str, str, int], ...] = ()
    """Those that are gone, and since when (seconds since 1970), until that is certain."""


class Conflicts(Sensor[Quarrels]):
    """How long a contradiction must last, and be gone."""

    tells: ClassVar[EventType] = EventType.INVENTORY_CONFLICTED
    remembers: ClassVar[type[Model]] = Quarrels

    raise_after_seconds: Seconds = Seconds(30)
    """Two sources of one truth see a change one after the other."""
    clear_after_seconds: Seconds = Seconds(60)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        yield from ((str(found.about), None) for found in seen.conflicts)
        yield from ((str(ref), None) for ref in seen.said)

    def judge(
        self, subject: str, memory: Quarrels | None, stimuli: tuple[Stimulus, ...], seen: Seen
    ) -> Judged[Quarrels]:
        about, before, now = read_ref(subject), memory or Quarrels(), int(seen.now.timestamp())
        found = {_named(c) for c in seen.conflicts if c.about == about}
        kept = {q for q in before.open if about not in seen.said or seen.source not in q[1:]}
        quarrels = tuple(sorted(found | kept))
        ended = {(f, k, r): at for f, k, r, at in before.over} | {q: now for q in before.open if q not in quarrels}
        over = tuple((*q, at) for q, at in sorted(ended.items()) if q not in quarrels and self._fresh(at, now))
        conditions = (
            *(self._condition(about, q, seen, still=True) for q in quarrels),
            *(self._condition(about, (f, k, r), seen, still=False) for f, k, r, _ in over),
        )
        return Judged(Quarrels(open=quarrels, over=over) if conditions else None, conditions)

    def _fresh(self, ended: int, now: int) -> bool:
        """Whether an end is so new that its alarm may not have cleared."""
        return now - ended <= self.clear_after_seconds + 2

    def _condition(self, about: Ref, quarrel: tuple[str, str, str], seen: Seen, *, still: bool) -> Condition:
        field, stands, refused = quarrel
        of = f"`{field}` of {about}" if field else f"{about}"
        return Condition(
            name="/".join(quarrel)[:200],
            level=wrong(still),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"sources `{stands}` and `{refused}` contradict each other about {of}; `{stands}` is believed",
            code="inventory-conflicted",
            whereabouts=places.whereabouts(seen.after, about),
            window_seconds=self.raise_after_seconds,
        )


def _named(found: Disagreement) -> tuple[str, str, str]:
    return found.field, found.kept, found.refused
