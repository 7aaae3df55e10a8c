"""What is installed here, registered in the law base: who may make proposals, in the words of the facts' owner.

Called by `placet init` and `placet facts register`. It writes what the owner of the facts then signs: the digest of
each agent, duty, mind and tool that this release ships. Whom an owner registered keeps the tenants, the classes of data
and the time that they gave it; whoever is new may see every tenant's, because it has to. It removes nobody.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Final

from agents import roster
from agents.roster import Shipped
from estate.errors import BadInput
from estate.ids import Digest, EntityId
from estate.law import DataClass, Facts, Registration

DISTRIBUTION: Final = "placet"


@dataclass(frozen=True, slots=True)
class Registering:
    """In whose name, and how far."""

    owner: EntityId | None = None
    """Who answers for what is new; None: whoever answers for the rest, or operates most of the clusters."""
    all_tenants: bool = False
    """Whether those who are registered already may see every tenant's work and every class of data from now on."""
    images: tuple[Digest, ...] = ()
    """What the pods of the agent's workers may run from now on; none: as it was."""
    keep: bool = False
    """Whether those who are registered already stay as they are: the law base was written by hand."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The law base with the registrations, and what is otherwise in it."""

    facts: Facts
    new: tuple[Registration, ...]
    renewed: tuple[Registration, ...]

    @property
    def changed(self) -> bool:
        """Whether there is anything to sign."""
        return bool(self.new or self.renewed)


def register(facts: Facts, asked: Registering = Registering()) -> Registered:
    """The law base in which everything that is installed here is registered. Its version is the caller's to raise.

    Raises:
        BadInput: there is nobody to answer for it, or a name is taken by a component of another sort.
    """
    known, shipped = facts.registration, roster.shipped()
    owner = _owner(facts, asked)
    new = tuple(_new(facts, s, owner, asked) for s in shipped if s.maker.id not in known)
    there = () if asked.keep else tuple(s for s in shipped if s.maker.id in known)
    found = tuple(_renewed(facts, known[s.maker.id], s, asked) for s in there)
    renewed = {r.id: r for r in found if r != known[r.id]}
    listed = (*(renewed.get(r.id, r) for r in facts.registrations), *new)
    return Registered(facts.model_copy(update={"registrations": listed}), new, tuple(renewed.values()))


def _owner(facts: Facts, asked: Registering) -> EntityId:
    if asked.owner is not None:
        if asked.owner not in facts.entity:
            there = ", ".join(f"`{e}`" for e in sorted(facts.entity))
            raise BadInput(f"`{asked.owner}` is no legal entity of the facts; there are {there}")
        return asked.owner
    own = {s.maker.id for s in roster.shipped()}
    answering = Counter(r.owner for r in facts.registrations if r.id in own)
    named = answering or Counter(c.operator for c in facts.clusters) or Counter(facts.entity)
    if not named:
        raise BadInput("the facts name no legal entity that could answer for what runs; add one under `entities`")
    return min(named, key=lambda e: (-named[e], e))


def _new(facts: Facts, shipped: Shipped, owner: EntityId, asked: Registering) -> Registration:
    assert shipped.maker.content is not None, "what is installed has a digest"
    return Registration(
        id=shipped.maker.id,
        sort=shipped.maker.sort,
        content=shipped.maker.content,
        owner=owner,
        provenance=_provenance(shipped),
        tenants=tuple(sorted(facts.tenant)),
        data_classes=tuple(DataClass),
        images=asked.images if shipped.maker.id == roster.WORKER.id else (),
    )


def _renewed(facts: Facts, known: Registration, shipped: Shipped, asked: Registering) -> Registration:
    if known.sort is not shipped.maker.sort:
        raise BadInput(
            f"`{known.id}` is registered as {known.sort.value}, and {shipped.says} of Placet bears that name; "
            "register yours under another"
        )
    told = {"content": shipped.maker.content, "provenance": _provenance(shipped)}
    told = {} if known.content == shipped.maker.content else told
    wide = {"tenants": tuple(sorted(facts.tenant)), "data_classes": tuple(DataClass)} if asked.all_tenants else {}
    owner = {"owner": asked.owner} if asked.owner is not None else {}
    images = {"images": asked.images} if asked.images and known.id == roster.WORKER.id else {}
    return known.model_copy(update={**told, **wide, **owner, **images})


@cache
def _release() -> str:
    return metadata.version(DISTRIBUTION)


def _provenance(shipped: Shipped) -> str:
    return f"{shipped.says}, of placet {_release()} as it is installed where the facts were signed"
