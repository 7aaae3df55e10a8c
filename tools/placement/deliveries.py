"""What it takes to bring a workload's data to a site where it does not lie: time, share of the WAN, egress. Pure.

Called by the masks of data and deadlines, by objectives and by whoever tells an answer. Datasets and weights are alike;
they come one after the other, each from the whole copy that is there soonest. A copy counts only where its data may
lie, nothing is brought where it may not, and no line is taken through a site where it may not lie either. What nobody
states (a size, the use of a line, a price) is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise

import numpy as np

from estate.fabrics.graphs import Graph, Way
from estate.fabrics.links import Fabric, FabricSort
from estate.fabrics.storage import Copy, Storage
from estate.ids import DatasetId, FabricId, SiteId
from estate.itemkinds import State
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.offers import Price, Unit
from policies import sovereignty
from tools.placement.columns import Ints
from tools.placement.port import Delivery
from tools.placement.wishes import FAR, Wish

_BITS, _GIGABYTE, _MEGABIT = 8 * 2**20, 10**9, 10**6
_BROKEN = (State.FAILED, State.MAINTENANCE)


@dataclass(frozen=True)
class Depot:
    """Where the data of one wish lies, and the lines between sites."""

    snapshot: Snapshot
    at: datetime | None = None
    _stores: dict[DatasetId, dict[SiteId, tuple[Copy, Storage]]] = field(default_factory=dict)

    def to(self, site: SiteId, datasets: Iterable[DatasetId]) -> tuple[Delivery, ...]:
        """What must be brought there; empty where all of it lies there."""
        return tuple(self._best(site, d) for d in datasets if site not in self._sources(d))

    def _sources(self, dataset: DatasetId) -> dict[SiteId, tuple[Copy, Storage]]:
        """A whole copy at each site where one lies and may."""
        if dataset not in self._stores:
            self._stores[dataset] = self._copied(dataset)
        return self._stores[dataset]

    def _copied(self, dataset: DatasetId) -> dict[SiteId, tuple[Copy, Storage]]:
        lawful, stock = self._lawful(dataset), self.snapshot.stock
        named = (stock.get(ref) for ref in stock.naming(Ref("dataset", dataset)) if ref.kind == "copy")
        whole = ((c, stock.get(Ref("storage", c.storage))) for c in named if isinstance(c, Copy) and c.complete)
        stored = ((c, s) for c, s in whole if isinstance(s, Storage) and s.state not in _BROKEN)
        return {s.site: (c, s) for c, s in stored if s.site in lawful}

    def _lawful(self, dataset: DatasetId) -> frozenset[SiteId]:
        return sovereignty.sites_open_to(self.snapshot.facts, dataset)

    def _best(self, site: SiteId, dataset: DatasetId) -> Delivery:
        if site not in self._lawful(dataset):
            return Delivery(dataset=dataset, source=None)
        found = [self._from(site, dataset, copy, store) for copy, store in self._sources(dataset).values()]
        return min(found, key=_soonest, default=Delivery(dataset=dataset, source=None))

    def _from(self, site: SiteId, dataset: DatasetId, copy: Copy, store: Storage) -> Delivery:
        told = Delivery(dataset=dataset, source=store.site)
        size = copy.mebibytes
        if size is None:
            return told
        cost = self._egress(store.site, site, size)
        ways = [(g, w) for g in self._lines(dataset) if (w := g.widest(Ref("site", store.site), Ref("site", site)))]
        if not ways:
            return told.model_copy(update={"micro_usd": cost})
        graph, way = max(ways, key=lambda pair: pair[1].free)
        rate = min((way.free, *self._storages(store, site)))
        told = told.model_copy(update={"micro_usd": cost})
        if not rate:
            return told
        over = {"seconds": -(-size * _BITS // (rate * _MEGABIT)), "wan_permille": _share(graph, way, rate)}
        return told.model_copy(update=over)

    def _storages(self, source: Storage, site: SiteId) -> Iterator[int]:
        """Megabits a second that storage gives and takes, as far as that is stated."""
        if source.read is not None:
            yield source.read * 8
        here = [s for s in self.snapshot.stock.all("storage") if isinstance(s, Storage) and s.site == site]
        speeds = [s.written * 8 for s in here if s.written is not None and s.state not in _BROKEN]
        if speeds:
            yield max(speeds)

    def _lines(self, dataset: DatasetId) -> Iterator[Graph]:
        """The fabrics between sites, without the sites where the data may not be."""
        lawful = self._lawful(dataset)
        shut = [Ref("site", s) for s in self.snapshot.facts.site if s not in lawful]
        return (g.without(*shut) for g in self._fabrics)

    @cached_property
    def _fabrics(self) -> tuple[Graph, ...]:
        known = (f for f in self.snapshot.stock.all("fabric") if isinstance(f, Fabric) and f.sort is FabricSort.WAN)
        return tuple(Graph.of(self.snapshot, FabricId(f.id)) for f in known)

    def _egress(self, source: SiteId, towards: SiteId, mebibytes: int) -> int | None:
        """By the price that says most exactly where from and where to; of several the highest."""
        found = [p for p in self.snapshot.stock.all("price") if isinstance(p, Price) and self._counts(p)]
        here = [p for p in found if p.site in (None, source) and p.towards in (None, towards)]
        best = max(((p.site is not None, p.towards is not None, int(p.amount)) for p in here), default=None)
        return None if best is None else -(-mebibytes * 2**20 * best[2] // _GIGABYTE)

    def _counts(self, price: Price) -> bool:
        began = price.valid_from is None or self.at is None or price.valid_from <= self.at
        return price.unit is Unit.EGRESS_GIGABYTE and began and (self.at is None or price.valid_until > self.at)


def depot(wish: Wish) -> Depot:
    """Where the wish's data lies."""
    return Depot(wish.snapshot, wish.ask.at)


def seconds(wish: Wish) -> Ints:
    """How long it takes at each node until all of its data is there; `FAR` where nobody can say."""
    return wish.measured("seconds of data", lambda w: _laid(w, "seconds"))


def micro_usd(wish: Wish) -> Ints:
    """What it costs to bring it to each node; `FAR` where nobody can say."""
    return wish.measured("cost of data", lambda w: _laid(w, "micro_usd"))


def told(wish: Wish, rows: Iterable[int]) -> tuple[Delivery, ...]:
    """What must be brought to these nodes."""
    names, far = wish.columns.names.sites, seconds(wish)
    sites = sorted({names[s] for r in rows if far[r] and (s := int(wish.columns.site[r])) >= 0})
    held = depot(wish)
    return tuple(d for s in sites for d in held.to(s, wish.workload.datasets))


def _laid(wish: Wish, figure: str) -> Ints:
    columns = wish.columns
    if not wish.workload.datasets:
        return np.zeros(len(columns.ids), dtype=np.int64)
    held, known = depot(wish), np.unique(columns.site)
    by_site = np.full(len(columns.names.sites) + 1, FAR, dtype=np.int64)
    for site in known[known >= 0].tolist():
        parts = [getattr(d, figure) for d in held.to(columns.names.sites[site], wish.workload.datasets)]
        by_site[site] = FAR if None in parts else sum(parts)
    found: Ints = by_site[columns.site]
    return found


def _share(graph: Graph, way: Way, rate: int) -> int:
    """Of each line of the way, the widest on it that is free enough; of those the one that is filled most."""
    filled = []
    for one, other in pairwise(way.stops):
        open_to = [e.capacity for e in graph.carrying(one) if e.far == other and e.free >= way.free]
        filled.append(rate * 1000 // max((*open_to, 1)))
    return max(filled, default=0)


def _soonest(found: Delivery) -> tuple[int, int, str]:
    late, dear = (FAR if v is None else v for v in (found.seconds, found.micro_usd))
    return late, dear, found.source or ""
