"""Which layer of which site is known, from whom, and how old the word is.

Called by `placet coverage` through the door. A declaration without a time holds until somebody writes another, so it is
fresh; what was observed is stale once it is older than its layer may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from estate.ids import SiteId
from estate.origins import Layer, Origin
from estate.records import Model
from estate.snapshots import Snapshot
from tools.views.things import site_of

OLDEST: Final[Mapping[Layer, timedelta]] = {
    **dict.fromkeys(Layer, timedelta(days=1)),
    **dict.fromkeys((Layer.HEALTH, Layer.POWER, Layer.COOLING, Layer.SCHEDULING), timedelta(minutes=5)),
    Layer.FABRIC: timedelta(minutes=15),
}
"""How old an observation of a layer may be: what changes by the minute, by the quarter of an hour, by the day."""
REPORTED: Final = (Layer.IDENTITY, Layer.HARDWARE, Layer.SCHEDULING, Layer.HEALTH)
"""What a cluster says of each of its nodes, and keeps saying: it is as fresh as the stream that carries it."""


class Standing(StrEnum):
    """How well a layer is known."""

    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"


class Cover(Model):
    """What is known of one layer of one site."""

    site: str
    """Empty: of what belongs to no site."""
    layer: Layer
    standing: Standing
    things: int
    stale: int
    """How many things of those were last told too long ago."""
    age_seconds: int | None
    """Of the oldest word that counts; null where none has a time."""
    sources: tuple[str, ...]


@dataclass(slots=True)
class _Told:
    things: int = 0
    stale: int = 0
    oldest: datetime | None = None
    sources: set[str] = field(default_factory=set)

    def add(self, origin: Origin, now: datetime) -> None:
        at = origin.observed_at
        self.things += 1
        self.sources.add(origin.source)
        if at is not None:
            self.stale += now - at > OLDEST[origin.layer]
            self.oldest = at if self.oldest is None else min(at, self.oldest)


def coverage(snapshot: Snapshot, now: datetime, behind: str | None = None) -> tuple[Cover, ...]:
    """Every layer of every site. `behind` says why the snapshot may be old: then what clusters report is stale."""
    told: dict[tuple[str, Layer], _Told] = {}
    for site, origin in _words(snapshot):
        told.setdefault((site, origin.layer), _Told()).add(origin, now)
    if behind is not None:
        for layer in REPORTED:
            for (_, of), found in told.items():
                found.stale = found.things if of is layer else found.stale
    sites = [*sorted(snapshot.facts.site), *([""] if any(not site for site, _ in told) else [])]
    return tuple(_cover(site, layer, told.get((site, layer)), now) for site in sites for layer in Layer)


def _words(snapshot: Snapshot) -> Iterator[tuple[str, Origin]]:
    """Every word about everything, with the site that it is about."""
    known: dict[tuple[str, ...], SiteId | None] = {}
    for item in snapshot.stock:
        way = tuple(str(b.ref) for b in item.bonds())
        if way not in known or not way:
            known[way] = site_of(snapshot, item.ref)
        yield from ((known[way] or "", origin) for origin in item.origins)
    for node in snapshot.nodes():
        site = snapshot.site_of(node.id) or ""
        told = {o.layer for o in node.origins}
        reported = (Origin(layer=x, source=f"cluster {node.cluster}") for x in REPORTED if x not in told)
        yield from ((site, origin) for origin in _every(node.origins, reported))


def _every(*words: Iterable[Origin]) -> Iterator[Origin]:
    return (origin for some in words for origin in some)


def _cover(site: str, layer: Layer, told: _Told | None, now: datetime) -> Cover:
    if told is None:
        return Cover(site=site, layer=layer, standing=Standing.ABSENT, things=0, stale=0, age_seconds=None, sources=())
    return Cover(
        site=site,
        layer=layer,
        standing=Standing.STALE if told.stale else Standing.FRESH,
        things=told.things,
        stale=told.stale,
        age_seconds=max(0, int((now - told.oldest).total_seconds())) if told.oldest else None,
        sources=tuple(sorted(told.sources)),
    )
