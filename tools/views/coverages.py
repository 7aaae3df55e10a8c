"""Which layer of which site is known, from whom, and how old the word is.

Called by `placet coverage` through the door. A declaration without a time holds until somebody writes another, so it is
fresh; what was observed is stale once it is older than its layer may be. What a source says that is asked in rounds is
as old as the source's last word, though it says the same each time; prices are as old as what states them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from estate.ids import SiteId
from estate.origins import Layer, Origin
from estate.records import Model
from estate.snapshots import Snapshot
from estate.uses.sources import SourceState, Speech
from tools.inventory.freshness import OLDEST, Freshness
from tools.views.things import site_of

_WATCHED: Final = "kubernetes/"
SOURCES: Final = "sources"
"""In the place of a layer: all targets of one kind of source."""
REPORTED: Final = (Layer.IDENTITY, Layer.HARDWARE, Layer.SCHEDULING, Layer.HEALTH)
"""What a cluster says of each of its nodes, and keeps saying: it is as fresh as the stream that carries it."""


class Cover(Model):
    """What is known of one layer of one site; or of all targets of one kind of source, whether they speak."""

    site: str
    """Empty: of what belongs to no site."""
    layer: Layer | Literal["sources"]
    standing: Freshness
    things: int
    stale: int
    """How many things of those were last told too long ago."""
    age_seconds: int | None
    """Of the oldest word that counts; null where none has a time."""
    sources: tuple[str, ...]
    unresolved: int = 0
    """How many things the sources name that nobody knows: what they say of these is kept as a claim."""


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
    states = {s.source: s for s in snapshot.stock.all("source") if isinstance(s, SourceState)}
    for site, origin in _words(snapshot, states, now):
        told.setdefault((site, origin.layer), _Told()).add(origin, now)
    if behind is not None:
        for layer in REPORTED:
            for (_, of), found in told.items():
                found.stale = found.things if of is layer else found.stale
    sites = [*sorted(snapshot.facts.site), *([""] if any(not site for site, _ in told) else [])]
    layers = (_cover(site, layer, told.get((site, layer)), now) for site in sites for layer in Layer)
    return (*layers, *_sources(states, now))


def _sources(states: Mapping[str, SourceState], now: datetime) -> Iterator[Cover]:
    """A row for each kind of source; its targets are `placet get sources`."""
    kinds: dict[str, list[SourceState]] = {}
    for name in sorted(states):
        kinds.setdefault(name.partition("/")[0], []).append(states[name])
    for kind, targets in kinds.items():
        silent = [t for t in targets if t.speech is not Speech.SPEAKS]
        heard = [t.heard_at for t in silent if t.heard_at is not None]
        never = len(silent) == len(targets) and not heard
        yield Cover(
            site="",
            layer=SOURCES,
            standing=Freshness.ABSENT if never else Freshness.STALE if silent else Freshness.FRESH,
            things=len(targets),
            stale=len(silent),
            age_seconds=max(0, int((now - min(heard)).total_seconds())) if heard else None,
            sources=(kind,),
            unresolved=sum(t.unresolved for t in targets),
        )


def _aged(origin: Origin, states: Mapping[str, SourceState], now: datetime) -> Origin:
    """The word with the time at which its source said it last, where that is asked again and again."""
    state = states.get(origin.source)
    if state is None and origin.source.startswith(_WATCHED):  # as fresh as the stream that carries it
        return origin.model_copy(update={"observed_at": None})
    if state is None or origin.layer is Layer.COMMERCE:
        return origin
    return origin.model_copy(update={"observed_at": now if state.speech is Speech.SPEAKS else state.heard_at})


def _words(snapshot: Snapshot, states: Mapping[str, SourceState], now: datetime) -> Iterator[tuple[str, Origin]]:
    """Every word about everything, with the site that it is about."""
    known: dict[tuple[str, ...], SiteId | None] = {}
    for item in (i for i in snapshot.stock if not isinstance(i, SourceState)):
        way = tuple(str(b.ref) for b in item.bonds())
        if way not in known or not way:
            known[way] = site_of(snapshot, item.ref)
        yield from ((known[way] or "", _aged(origin, states, now)) for origin in item.origins)
    for node in snapshot.nodes():
        site = snapshot.site_of(node.id) or ""
        told = {o.layer for o in node.origins}
        reported = (Origin(layer=x, source=f"cluster {node.cluster}") for x in REPORTED if x not in told)
        yield from ((site, _aged(origin, states, now)) for origin in _every(node.origins, reported))


def _every(*words: Iterable[Origin]) -> Iterator[Origin]:
    return (origin for some in words for origin in some)


def _cover(site: str, layer: Layer, told: _Told | None, now: datetime) -> Cover:
    if told is None:
        return Cover(site=site, layer=layer, standing=Freshness.ABSENT, things=0, stale=0, age_seconds=None, sources=())
    return Cover(
        site=site,
        layer=layer,
        standing=Freshness.STALE if told.stale else Freshness.FRESH,
        things=told.things,
        stale=told.stale,
        age_seconds=max(0, int((now - told.oldest).total_seconds())) if told.oldest else None,
        sources=tuple(sorted(told.sources)),
    )
