"""Who holds which devices by name: ResourceClaims, the templates that they are made from, and device classes. Pure.

Called by the inventory's source, which also knows where the devices are, and by the executor's live reads, which count
them. A claim that is allocated but reserved for nobody is not held by a pod yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tools.kubernetes import fields
from tools.kubernetes.fields import Raw
from tools.kubernetes.slices import Name
from tools.payloads.clusters import objects, vendors
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import MentionKind
from tools.payloads.facts.statements import Attribute, Fact, Relation, Statement, Tie

MOST_HELD: Final = 64
"""Devices of one pod that are told of; no machine has more to give."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The accelerators that one claim holds, and the pods (by name, of its namespace) that it is reserved for."""

    uid: str
    namespace: str
    name: str
    devices: tuple[Name, ...]
    pods: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a template or a claim asks for: devices by class."""

    uid: str
    namespace: str
    name: str
    of: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A class of devices and the drivers that its expressions name."""

    uid: str
    name: str
    drivers: tuple[str, ...]
    resource: str
    """The extended resource that its devices may be asked for as; empty: none."""

    @property
    def computes(self) -> bool:
        """Whether it selects accelerators."""
        named = self.drivers or (self.name,)
        return any(vendors.of_driver(d) is not None for d in named)


def claim(raw: Raw, api_version: str) -> Claim:
    """What a raw ResourceClaim holds. Raises BadInput."""
    about, facts = _read(raw, api_version, "ResourceClaim")
    ties = [f for f in facts if isinstance(f, Relation) and f.tie is Tie.ALLOCATED_TO]
    held = (_name(f) for f in ties if f.subject.kind is MentionKind.DRA_DEVICE)
    pods = (f.other.value.rpartition("/")[2] for f in ties if f.subject.kind is MentionKind.OBJECT)
    devices = tuple(d for d in held if vendors.of_driver(d.driver) is not None)
    return Claim(*_called(about), devices[:MOST_HELD], frozenset(pods))


def template(raw: Raw, api_version: str) -> Wanted:
    """What the claims of a raw ResourceClaimTemplate will ask for. Raises BadInput."""
    about, facts = _read(raw, api_version, "ResourceClaimTemplate")
    return Wanted(*_called(about), _requests(facts))


def device_class(raw: Raw, api_version: str) -> DeviceClass:
    """What a raw DeviceClass selects. Raises BadInput."""
    about, facts = _read(raw, api_version, "DeviceClass")
    drivers = tuple(f.other.scope for f in facts if isinstance(f, Relation) and f.tie is Tie.MANAGED_BY)
    resource = next((str(f.value) for f in facts if isinstance(f, Statement)), "")
    uid, _, name = _called(about)
    return DeviceClass(uid, name, drivers, resource)


@dataclass(slots=True)
class Claims:
    """The claims of one cluster, or of one namespace that was read a moment ago."""

    held: dict[tuple[str, str], Claim] = field(default_factory=dict)

    @classmethod
    def of(cls, raws: Iterable[Raw], api_version: str) -> Claims:
        """Those of a live read; what cannot be read holds nothing."""
        found = (claim(raw, api_version) for raw in raws)
        return cls({(c.namespace, c.name): c for c in found})

    def devices(self, namespace: str, pod: str, names: Iterable[str]) -> tuple[Name, ...]:
        """What that pod holds through the claims that it names."""
        mine = (self.held.get((namespace, name)) for name in names)
        found = {d for c in mine if c is not None and pod in c.pods for d in c.devices}
        return tuple(sorted(found))[:MOST_HELD]


def _read(raw: Raw, api_version: str, kind: str) -> tuple[Raw, list[Fact]]:
    about = fields.mapping(raw.get("metadata"), "metadata")
    sheet = objects.read({**raw, "apiVersion": api_version, "kind": kind}, "", Context("kubernetes"))
    return about, sheet.facts


def _called(about: Raw) -> tuple[str, str, str]:
    uid, name = (fields.needed(about.get(k), f"metadata.{k}") for k in ("uid", "name"))
    return uid, fields.text(about.get("namespace"), "metadata.namespace"), name


def _name(tie: Relation) -> Name:
    pool, _, device = tie.subject.value.rpartition("/")
    return Name(tie.subject.scope, pool, device)


def _requests(facts: Iterable[Fact]) -> tuple[tuple[str, int], ...]:
    parts: defaultdict[str, dict[Attribute, str | int]] = defaultdict(dict)
    for fact in facts:
        if isinstance(fact, Statement) and fact.subject.part:
            parts[fact.subject.part][fact.attribute] = fact.value
    return tuple((str(p.get(Attribute.TEMPLATE, "")), _count(p)) for _, p in sorted(parts.items()))


def _count(part: Mapping[Attribute, str | int]) -> int:
    found = part.get(Attribute.DEVICES, 0)
    return found if isinstance(found, int) else 0
