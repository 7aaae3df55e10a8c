"""Fold what sources see into one estate: pure. Each thing belongs to the source that named it first.

Nodes and items may have several sources, `merging` says how. A workload has one: a second claim is kept out and
reported, never merged by a guess. Only what is assumed of a cluster that nobody sees (`silences`) gives way to whoever
sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from immutables import Map

from estate.fabrics.links import Link
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.items import Item
from estate.records import Model
from estate.references import Ref
from estate.uses.offers import Offer
from estate.workloads import Workload
from tools.inventory.disagreements import Disagreement
from tools.inventory.merging import Claim, Claims, merge
from tools.inventory.port import Observed
from tools.inventory.silences import ASSUMED
from tools.inventory.stamping import same_saying, stamped

type Renamed = Map[tuple[str, Ref], Ref]
"""Under which name an item is kept that its source calls otherwise."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The estate so far, and what each source says of its things."""

    estate: FrozenEstate
    nodes: Claims[NodeId, Node] = field(default_factory=Claims)
    items: Claims[Ref, Item] = field(default_factory=Claims)
    workloads: Map[WorkloadId, str] = field(default_factory=Map)
    renamed: Renamed = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Folding:
    """One batch folded in: the new state, what really changed, and the claims that were kept out."""

    state: Folded
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    items: tuple[Item, ...] = ()
    removed_nodes: tuple[NodeId, ...] = ()
    removed_workloads: tuple[WorkloadId, ...] = ()
    removed_items: tuple[Ref, ...] = ()
    conflicts: tuple[Disagreement, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the estate is another one now."""
        put = self.nodes or self.workloads or self.items
        return bool(put or self.removed_nodes or self.removed_workloads or self.removed_items)


def fold(state: Folded, seen: Observed) -> Folding:
    """`state` after what `seen.source` saw; things that stayed equal are left out."""
    nodes = _fold_nodes(state, seen)
    items, renamed = _fold_items(state, seen)
    workloads = tuple(
        w for w in seen.workloads if _may(state.workloads, w.id, seen) and state.estate.workload(w.id) != w
    )
    folding = Folding(
        state=replace(state, nodes=nodes.claims, items=items.claims, renamed=renamed),
        nodes=nodes.changed,
        items=items.changed,
        workloads=workloads,
        removed_nodes=nodes.removed,
        removed_items=items.removed,
        removed_workloads=_gone(state.workloads, seen, seen.removed_workloads, frozenset(w.id for w in seen.workloads)),
        conflicts=(*nodes.disagreements, *items.disagreements, *_second_claims(state, seen)),
    )
    return replace(folding, state=_after(folding, seen.source))


@dataclass(frozen=True, slots=True)
class _Heard[Key, T: Model]:
    """The claims after a batch, and what it made of the things in it."""

    claims: Claims[Key, T]
    changed: tuple[T, ...]
    removed: tuple[Key, ...]
    disagreements: tuple[Disagreement, ...]


def _fold_nodes(state: Folded, seen: Observed) -> _Heard[NodeId, Node]:
    said = {n.id: n for n in seen.nodes}
    gone = _withdrawn(state.nodes, seen, said, seen.removed_nodes)
    return _heard(state.nodes, seen, said, gone, state.estate.node, lambda key: Ref("node", key))


def _fold_items(state: Folded, seen: Observed) -> tuple[_Heard[Ref, Item], Renamed]:
    said: dict[Ref, Item] = {}
    renamed, twins = state.renamed, list[Disagreement]()
    for item in seen.items:
        key, twin = _key_of(state, item)
        if key != item.ref:
            renamed = renamed.set((seen.source, item.ref), key)
        if twin is not None:
            twins.append(Disagreement(item.ref, "aliases", state.items.of(twin)[0].source, seen.source))
        said[key] = _as_before(state, seen, item.model_copy(update={"id": key.id}), key)
    removed = tuple(renamed.get((seen.source, r), r) for r in seen.removed_items)
    gone = _withdrawn(state.items, seen, said, removed)
    heard = _heard(state.items, seen, said, gone, state.estate.stock.get, lambda key: key)
    return replace(heard, disagreements=(*heard.disagreements, *twins)), renamed


def _key_of(state: Folded, item: Item) -> tuple[Ref, Ref | None]:
    """Under which name an item is kept, and another thing that has one of its strong aliases: its twin, a conflict.

    What has its name already keeps it. Something new that shares a strong alias with a thing is that thing.
    """
    known = (state.estate.stock.known_as(alias) for alias in item.aliases)
    other = next((ref for ref in known if ref is not None and ref.kind == item.kind and ref != item.ref), None)
    if state.items.of(item.ref):
        return item.ref, other
    return other or item.ref, None


def _as_before(state: Folded, seen: Observed, item: Item, key: Ref) -> Item:
    """The item with its origins; the old ones where the source says what it said before."""
    last = next((c.thing for c in state.items.of(key) if c.source == seen.source), None)
    return last if last is not None and same_saying(last, item) else stamped(item, seen.source, seen.at)


def _withdrawn[Key, T: Model](
    claims: Claims[Key, T], seen: Observed, said: Collection[Key], named: Iterable[Key]
) -> tuple[Key, ...]:
    """What this source says is gone, or left out of everything it sees."""
    mine = claims.keys_of(seen.source) if seen.whole else named
    return tuple(sorted({k for k in mine if k not in said}, key=str))


def _heard[Key, T: Model](
    claims: Claims[Key, T],
    seen: Observed,
    said: Mapping[Key, T],
    gone: Iterable[Key],
    now: Callable[[Key], T | None],
    name: Callable[[Key], Ref],
) -> _Heard[Key, T]:
    changed, removed, found = list[T](), list[Key](), list[Disagreement]()
    for key, thing in said.items():
        beside = seen.claimed and isinstance(thing, Node | Offer | Link)
        claims = claims.put(key, Claim(seen.source, thing, beside=beside))
    for key in gone:
        claims = claims.drop(key, seen.source)
    for key in (*said, *gone):
        held, before = _seen(claims.of(key)), now(key)
        if held:
            merged = merge(name(key), held)
            found += [d for d in merged.disagreements if seen.source in (d.kept, d.refused)]
            changed += [merged.thing] if merged.thing != before else []
        elif before is not None:
            removed.append(key)
    return _Heard(claims, tuple(changed), tuple(removed), tuple(found))


def _seen[T: Model](claims: tuple[Claim[T], ...]) -> tuple[Claim[T], ...]:
    """What is really seen of a thing; what is assumed of it where nobody sees it. Then what only adds to that."""
    reported = tuple(c for c in claims if not c.beside)
    found = tuple(c for c in reported if not c.source.startswith(ASSUMED)) or reported
    return (*found, *(c for c in claims if c.beside)) if found else ()


def _may(owners: Map[WorkloadId, str], name: WorkloadId, seen: Observed) -> bool:
    owner = owners.get(name, seen.source)
    return owner == seen.source or owner.startswith(ASSUMED)


def _gone(
    owners: Map[WorkloadId, str], seen: Observed, named: tuple[WorkloadId, ...], still: frozenset[WorkloadId]
) -> tuple[WorkloadId, ...]:
    """What this source owned and now says is gone, or left out of everything it sees."""
    mine = (n for n in named if owners.get(n) == seen.source)
    if seen.whole:
        mine = (n for n, owner in owners.items() if owner == seen.source and n not in still)
    return tuple(sorted(set(mine)))


def _second_claims(state: Folded, seen: Observed) -> Iterator[Disagreement]:
    for workload in seen.workloads:
        if not _may(state.workloads, workload.id, seen):
            ref = Ref("workload", workload.id)
            yield Disagreement(ref, "", state.workloads[workload.id], seen.source)


def _after(folding: Folding, source: str) -> Folded:
    state = folding.state
    estate, workloads = state.estate, state.workloads
    for gone in folding.removed_nodes:
        estate = estate.without_node(gone)
    for stopped in folding.removed_workloads:
        estate, workloads = estate.without_workload(stopped), workloads.delete(stopped)
    for node in folding.nodes:
        estate = estate.with_node(node)
    for workload in folding.workloads:
        estate, workloads = estate.with_workload(workload), workloads.set(workload.id, source)
    stock = estate.stock
    for ref in folding.removed_items:
        stock = stock.without(ref)
    for item in folding.items:
        stock = stock.with_(item)
    return replace(state, estate=estate.with_stock(stock), workloads=workloads)
