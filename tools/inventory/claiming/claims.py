"""What a target has said, as claims of that target: nodes and items for folding, and what nobody could resolve.

Called by `tools.inventory.writer`, for each round of each target, before it folds. What a target no longer says is
withdrawn; a round that failed withdraws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from estate.facilities.parts import Part
from estate.hardware import Node
from estate.ids import NodeId, TargetId, Uid
from estate.items import Item
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.sources import SourceState, Speech
from tools.inventory.claiming.names import Names, Place
from tools.inventory.claiming.nodes import Draft, drafts
from tools.inventory.claiming.offers import Market, Unclear
from tools.inventory.claiming.parts import parts
from tools.inventory.claiming.ports import Measured, Ports, down
from tools.inventory.claiming.slugs import slug
from tools.inventory.freshness import Standing
from tools.inventory.port import Heard, Observed
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.statements import Condition, Fact, Notice, Price, Quota, Relation, Statement, Tie, Witness

OWN = "inventory"
"""The source of what the inventory says of its sources."""
LOOKED_AT = 512
"""Subjects of one layout that are looked at here each round; of larger ones telemetry tells who is unknown."""
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Unknown:
    """How many things are named that nobody knows, and some of them."""

    count: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: Unknown) -> Unknown:
        return Unknown(self.count + other.count, (*self.examples, *other.examples)[:_EXAMPLES])


@dataclass(slots=True)
class _Target:
    """What is kept of a target between its rounds."""

    standing: Standing
    drafts: dict[NodeId, Draft] = field(default_factory=dict)
    claimed: dict[NodeId, Uid] = field(default_factory=dict)
    """Under which uid a node was claimed: it changes when its cluster makes it anew."""
    items: dict[Ref, Place | None] = field(default_factory=dict)
    """What it claims, and of which place each part is."""
    state: SourceState | None = None
    unknown: Unknown = Unknown()

    def kept(self, items: Iterable[Item], told: frozenset[Place] | None) -> frozenset[Ref]:
        """Keep these items; those that are gone. Of a round that was not whole only the places that it `told` of."""
        now = {i.ref: Place(i.of, i.place) if isinstance(i, Part) else None for i in items}
        if told is not None:
            now |= {ref: place for ref, place in self.items.items() if place not in told and ref not in now}
        before, self.items = self.items, now
        return frozenset(before.keys() - now.keys())


@dataclass(slots=True)
class Claims:
    """What all targets claim. One task uses it."""

    names: Names = field(default_factory=Names)
    _targets: dict[str, _Target] = field(default_factory=dict)
    _drafted: dict[NodeId, frozenset[str]] = field(default_factory=dict)
    """Which targets say something of a node."""

    def seen(self, nodes: Iterable[Node], gone: Iterable[NodeId] = ()) -> None:
        """These nodes were put or removed."""
        self.names = self.names.seen(nodes, gone)

    def learn(self, observed: Observed, estate: Snapshot) -> None:
        """What the things are called that a source has heard of: before anybody looks at what it heard."""
        for heard in observed.heard:
            if heard.facts or heard.about.things:
                self.names = self.names.told(heard.target, heard.facts, heard.about.things, estate)

    def renewed(self, nodes: Iterable[Node], estate: Snapshot) -> Iterator[Observed]:
        """What targets say of nodes that somebody else told anew: a machine that was joined again has other names."""
        for told in nodes:
            node = estate.node(told.id) if told.id in self._drafted else None
            for source in sorted(self._drafted[told.id]) if node is not None else ():
                target = self._targets[source]
                if node is not None and target.claimed.get(node.id) != node.uid:
                    target.claimed[node.id] = node.uid
                    yield Observed(source, nodes=(target.drafts[node.id].claim(node, source),), claimed=True)

    def is_silent(self, source: str) -> bool:
        """Whether that is what was said of it last."""
        target = self._targets.get(source)
        return target is not None and target.state is not None and target.state.speech is not Speech.SPEAKS

    def heard(self, source: str, heard: Heard, estate: Snapshot, measured: Unknown | None = None) -> Iterator[Observed]:
        """The claims of one round, and what is to be said of the target; `measured`: whose readings nobody knows."""
        name = told_by(source, heard)
        target = self._targets.setdefault(name, _Target(Standing(source, heard.target)))
        target.standing = target.standing.after(heard)
        if not heard.failure:
            yield from self._claimed(name, heard, estate, target)
        state = _state(name, target.standing, target.unknown + (measured or Unknown()))
        if state != target.state:
            target.state = state
            yield Observed(OWN, items=(state,), at=heard.at, claimed=True)

    def _claimed(self, name: str, heard: Heard, estate: Snapshot, target: _Target) -> Iterator[Observed]:
        round = _Round(name, heard, self.names, estate)
        round.resolve()
        before = target.drafts
        now = drafts(round.told, round.measured, round.ports.nics(), before, heard.at)
        target.drafts = before | now if heard.partial else now
        self._index(name, before, target.drafts)
        items = tuple(round.items())
        gone = target.kept(items, frozenset(place for place, _ in round.told) if heard.partial else None)
        target.unknown = Unknown(round.unresolved, tuple(round.examples))
        known = [(d, node) for n, d in target.drafts.items() if (node := estate.node(n)) is not None]
        target.claimed = {node.id: node.uid for _, node in known}
        if not (items or gone or before or target.drafts):
            return
        yield Observed(
            source=name,
            nodes=tuple(draft.claim(node, name) for draft, node in known),
            items=items,
            removed_nodes=tuple(sorted(before.keys() - target.drafts.keys())),
            removed_items=tuple(sorted(gone)),
            at=max((f.witness.at for f in heard.facts if f.witness.at is not None), default=heard.at),
            claimed=True,
        )

    def _index(self, source: str, before: Mapping[NodeId, Draft], after: Mapping[NodeId, Draft]) -> None:
        for node in before.keys() - after.keys():
            self._drafted[node] -= {source}
        for node in after.keys() - before.keys():
            self._drafted[node] = self._drafted.get(node, frozenset()) | {source}


@dataclass
class _Round:
    """One round, while it is read."""

    source: str
    heard: Heard
    names: Names
    estate: Snapshot
    told: list[tuple[Place, Fact]] = field(default_factory=list)
    unresolved: int = 0
    examples: list[str] = field(default_factory=list)
    _places: dict[Mention, Place | None] = field(default_factory=dict)

    def resolve(self) -> None:
        """Find whom each fact is about; count whom nobody knows, once each."""
        for fact in self.heard.facts:
            if isinstance(fact, Statement | Condition) or (isinstance(fact, Relation) and fact.tie is Tie.LINKED_TO):
                place = self._place(fact.subject)
                self.told += [(place, fact)] if place is not None else []
        for readings in self.heard.readings:
            if len(readings.subjects) <= LOOKED_AT:
                for subject in readings.subjects:
                    self._place(subject)

    @cached_property
    def ports(self) -> Ports:
        """What it says of ports and links."""
        return Ports.told(self.told, self.measured)

    def items(self) -> Iterator[Item]:
        """What it makes of links, parts and money."""
        yield from self.ports.links(self.estate, self.source, self.heard.at)
        yield from parts([*self.told, *self.ports.silent_lanes(Witness(self.source, self.heard.at))])
        money = [f for f in self.heard.facts if isinstance(f, Price | Quota | Notice)]
        for found in Market(self.heard, self.source, self.names, self.estate).read(money):
            if isinstance(found, Unclear):
                self._claim(str(found))
            else:
                yield found

    @cached_property
    def measured(self) -> list[Measured]:
        """Readings of things that are known, row by row: of small layouts, as BMCs have; else of ports that are down,
        which are few.
        """
        found = []
        for readings in self.heard.readings:
            small = len(readings.subjects) <= LOOKED_AT
            for row in range(len(readings)) if small else down(readings):
                mention = readings.subjects[int(readings.subject[row])]
                place = self._place(mention) if small else self.names.place(mention, self.estate)
                found += [(place, readings, row)] if place is not None else []
        return found

    def _place(self, mention: Mention) -> Place | None:
        if mention not in self._places:
            self._places[mention] = place = self.names.place(mention, self.estate)
            if place is None:
                self._claim(f"{mention}: nobody knows it")
        return self._places[mention]

    def _claim(self, text: str) -> None:
        self.unresolved += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(text[:256])


def told_by(source: str, heard: Heard) -> str:
    """What a target's word is called in origins, readings and coverage."""
    return f"{source}/{heard.target}" if heard.target else source


def _state(name: str, standing: Standing, unknown: Unknown) -> SourceState:
    """As it is said: nothing of it changes while a target goes on to speak, or to be silent."""
    silent = standing.failing_since is not None
    speech = Speech.SPEAKS if not silent else Speech.NEVER if standing.heard_at is None else Speech.SILENT
    return SourceState(
        id=TargetId(slug(*name.split("/"))),
        source=name[:256],
        speech=speech,
        since=standing.failing_since,
        heard_at=standing.heard_at if silent else None,
        failure=standing.failure[:512],
        unresolved=unknown.count,
        examples=unknown.examples,
    )
