"""Merge what several sources say of one thing: field by field, never by a guess. Pure; called by `folding`.

The first source to name a thing owns it. Another may add to it when the two share a strong alias: it then fills the
fields of which nobody has said anything yet. Where two say different things, the first one's word stands (`joining`
says where it does not) and the other's is a `Disagreement`; a source that shares no strong alias is kept out whole. A
field says something when it is not its default: what a source cannot know it leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from immutables import Map

from estate.aliases import Alias, AliasKind
from estate.hardware import Node
from estate.ids import ClusterId
from estate.itemkinds import ItemKind
from estate.origins import Origin
from estate.records import Model
from estate.references import Ref
from tools.inventory import joining
from tools.inventory.disagreements import Disagreement

_MOST_ORIGINS = 64
_UNMERGED = frozenset({"kind", "id", "aliases", "origins"})


@dataclass(frozen=True, slots=True)
class Claim[T: Model]:
    """What one source says of a thing."""

    source: str
    thing: T
    beside: bool = False
    """Whether it only adds to what somebody else reports: it is nothing without that, and never owns the thing."""


@dataclass(frozen=True, slots=True)
class Merged[T: Model]:
    """The thing as everybody's claims make it, and where they disagree."""

    thing: T
    disagreements: tuple[Disagreement, ...] = ()


@dataclass(frozen=True, slots=True)
class Claims[Key, T: Model]:
    """Every source's claims, by thing, in the order in which the sources first made them."""

    _held: Map[Key, tuple[Claim[T], ...]] = Map()  # noqa: RUF009 - an empty persistent map has no state

    def of(self, key: Key) -> tuple[Claim[T], ...]:
        """The claims about one thing; empty where nobody claims anything."""
        return self._held.get(key, ())

    def keys_of(self, source: str) -> Iterator[Key]:
        """Everything that this source claims something about. A scan."""
        return (key for key, claims in self._held.items() if any(c.source == source for c in claims))

    def put(self, key: Key, claim: Claim[T]) -> Self:
        """With that source's newest claim in the place of its last one."""
        held = self.of(key)
        if any(c.source == claim.source for c in held):
            held = tuple(claim if c.source == claim.source else c for c in held)
        else:
            held = (*held, claim)
        return type(self)(self._held.set(key, held))

    def drop(self, key: Key, source: str) -> Self:
        """Without what that source says of it."""
        held = self.of(key)
        left = tuple(c for c in held if c.source != source)
        if left == held:
            return self
        return type(self)(self._held.set(key, left) if left else self._held.delete(key))


def merge[T: Model](ref: Ref, claims: tuple[Claim[T], ...]) -> Merged[T]:
    """One thing out of at least one claim, the owner's first."""
    owner, *others = claims
    if not others:
        return Merged(owner.thing)
    accepted, found = [owner], list[Disagreement]()
    for claim in others:
        if _same(claim.thing, (c.thing for c in accepted)) or _found(claim, owner):
            accepted.append(claim)
        else:
            found.append(Disagreement(ref, "", owner.source, claim.source))
    return _joined(ref, accepted, found)


def strong_aliases(thing: Model) -> frozenset[str]:
    """The names of a node or an item that nothing else in the world has."""
    if isinstance(thing, ItemKind):
        return frozenset(str(a) for a in thing.aliases if a.kind.strong)
    assert isinstance(thing, Node), type(thing)
    names = (
        (AliasKind.UID, thing.uid),
        (AliasKind.SYSTEM_UUID, thing.system_uuid),
        (AliasKind.SERIAL, thing.serial),
        (AliasKind.PROVIDER_ID, thing.provider_id),
    )
    return frozenset(str(Alias(kind=kind, value=value)) for kind, value in names if value)


def _same(thing: Model, others: Iterable[Model]) -> bool:
    """No machine is a node of two clusters at once, whatever they say of it: an alias can be copied."""
    own = strong_aliases(thing)
    return any(own & strong_aliases(other) and _cluster(thing) == _cluster(other) for other in others)


def _found[T: Model](claim: Claim[T], owner: Claim[T]) -> bool:
    """Whether whoever resolved the claim's names found the thing, which has no strong ones."""
    return claim.beside and not strong_aliases(owner.thing)


def _speaks[T: Model](claim: Claim[T], field: str) -> bool:
    """Whether a claim is about that field: one that names its fields is about no other."""
    named = {name for o in getattr(claim.thing, "origins", ()) for name in o.fields}
    return not claim.beside or not named or field in named


def _cluster(thing: Model) -> ClusterId | None:
    return thing.cluster if isinstance(thing, Node) else None


def _joined[T: Model](ref: Ref, claims: list[Claim[T]], found: list[Disagreement]) -> Merged[T]:
    owner = claims[0]
    joined: dict[str, Any] = {}
    spoken: dict[str, list[str]] = {}
    fields = type(owner.thing).model_fields
    for name in (f for f in fields if f not in _UNMERGED):
        default = fields[name].get_default()
        said = [(c.source, v) for c in claims if (v := getattr(c.thing, name)) != default and _speaks(c, name)]
        if said:
            speaker, first = said[0]
            joined[name] = joining.joined([value for _, value in said])
            for teller, _ in said if joined[name] != first else said[:1]:
                spoken.setdefault(teller, []).append(name)
            found += [Disagreement(ref, name, speaker, other) for other, v in said[1:] if joining.differ(first, v)]
    joined["origins"] = _origins(claims, spoken)
    if "aliases" in fields:
        joined["aliases"] = tuple(dict.fromkeys(a for c in claims for a in getattr(c.thing, "aliases", ())))
    return Merged(owner.thing.model_copy(update=joined), tuple(found))


def _origins(claims: list[Claim[Any]], spoken: Mapping[str, list[str]]) -> tuple[Origin, ...]:
    """The owner's, and of the others those that say something, with what they say."""
    owner, *others = claims
    named = (_named(o, c.thing, spoken.get(c.source, [])) for c in others for o in c.thing.origins)
    said = (*owner.thing.origins, *(o for o in named if o.fields))
    return tuple({(o.layer, o.source): o for o in said}.values())[:_MOST_ORIGINS]


def _named(origin: Origin, thing: Any, spoken: Iterable[str]) -> Origin:
    return origin.model_copy(update={"fields": tuple(f for f in spoken if thing.layer_of(f) is origin.layer)})
