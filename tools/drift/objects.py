"""The drifts of one Kubernetes object: what was applied or declared against what an API server holds. Pure.

Called for each object that changed, never for a fleet. Refuses nothing: an object of which nobody can say what it is
has no drift here (the source reports it), and a Secret is never looked into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from estate.canonical import Json, clean_text
from estate.drifts import Basis, Drift
from estate.hands import Hand
from estate.ids import ClusterId, TenantId
from estate.law import Facts
from estate.things import Thing, ThingKind
from tools.drift import comparing, desires, holders, matters, owners, paths, restoring
from tools.drift.comparing import Difference
from tools.drift.desires import Desire
from tools.drift.schemas import Schemas
from tools.kubernetes import applied, naming, resources

SECRETS: Final = frozenset({"Secret"})
LONGEST_VALUE: Final = 2000
MOST: Final = 64
"""Drifts of one object that are told; a replaced object differs everywhere."""
_MARK: Final = (paths.field("metadata"), paths.field("annotations"), paths.field(applied.ANNOTATION))


@dataclass(frozen=True, slots=True)
class Setting:
    """Where objects are compared: their cluster, the law base, and the shapes of its kinds."""

    cluster: ClusterId
    facts: Facts
    schemas: Schemas = field(default_factory=Schemas)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @classmethod
    def of(cls, written: Mapping[str, Any], api_version: str = "", kind: str = "") -> Identity | None:
        """As the object says it, or as whoever listed it knows; None where it has no name."""
        about = written.get("metadata")
        about = about if isinstance(about, Mapping) else {}
        which = (api_version or written.get("apiVersion"), kind or written.get("kind"))
        told = (*which, about.get("namespace") or "", about.get("name"), about.get("uid") or "")
        texts = [clean_text(t, 253) for t in told if isinstance(t, str)]
        return cls(*texts) if len(texts) == len(told) and about.get("name") else None

    def called(self) -> str:
        """As people say it."""
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"

    def thing(self, setting: Setting) -> Thing:
        """What the estate calls it: a node, a workload, or an object by its address."""
        if (self.kind, self.namespace) == ("Node", ""):
            return Thing(kind=ThingKind.NODE, id=naming.node_id(setting.facts, setting.cluster, self.name))
        if any(self.kind == r.kind for r in (*resources.OWNERS, resources.PODS)):
            found = naming.workload_id(setting.cluster, self.namespace, self.kind, self.name)
            return Thing(kind=ThingKind.WORKLOAD, id=found)
        where = f"{setting.cluster}/{self.api_version}/{self.kind}/{self.namespace}/{self.name}"
        return Thing(kind=ThingKind.OBJECT, id=where)

    def tenants(self, setting: Setting) -> tuple[TenantId, ...]:
        """Whose it is by signed fact."""
        owner = setting.facts.tenant_of.get((setting.cluster, self.namespace)) if self.namespace else None
        return (owner,) if owner else ()


def drifts(
    raw: Mapping[str, Any], setting: Setting, declared: Iterable[Desire] = (), *, api_version: str = "", kind: str = ""
) -> tuple[Drift, ...]:
    """The drifts of an object that is there, from everything that says how it should be.

    `api_version` and `kind` are for items of lists, which do not say theirs.
    """
    identity = Identity.of(raw, api_version, kind)
    if identity is None or identity.kind in SECRETS:
        return ()
    wanted = (*desires.remembered(raw), *declared)
    found = (d for desire in wanted for d in _Comparison(identity, raw, setting, desire).drifts())
    return tuple(d for d, _ in zip((*_tampered(identity, raw, setting), *found), range(MOST), strict=False))


def missing(gone: Mapping[str, Any], setting: Setting, *, api_version: str = "", kind: str = "") -> tuple[Drift, ...]:
    """The drift of an object that is not there any more: as it was last seen, or as somebody declared it."""
    identity = Identity.of(gone, api_version, kind)
    if identity is None or identity.kind in SECRETS:
        return ()
    ours = applied.recalled(gone)
    desire = Desire(Basis.PLACET, ours) if ours is not None else desires.declared(gone)
    if ours is None and "uid" in _about(gone):
        return ()
    return (_Comparison(identity, None, setting, desire).drift(Difference((), "present", None), ()),)


@dataclass(frozen=True, slots=True)
class _Comparison:
    identity: Identity
    raw: Mapping[str, Any] | None
    setting: Setting
    desire: Desire

    def drifts(self) -> Iterator[Drift]:
        assert self.raw is not None, "there is something to compare with"
        shape = self.setting.schemas.of(self.identity.api_version, self.identity.kind)
        found = list(comparing.differences(self.desire.form, dict(self.raw), shape))
        appliers = self.desire.appliers or self._appliers(found)
        for difference in found:
            hands = holders.hands(self.raw, held_at(self.identity.kind, difference.path))
            if self._counts(difference, hands, appliers):
                yield self.drift(difference, hands)

    def drift(self, difference: Difference, hands: tuple[Hand, ...]) -> Drift:
        identity, written = self.identity, paths.written(difference.path)
        rule = matters.rule(identity.kind, written)
        thing = identity.thing(self.setting)
        case = restoring.Case(identity, self.raw, thing.id, self.setting.cluster, self.desire, difference)
        remedy = restoring.of_object(case)
        return Drift(
            about=thing,
            called=identity.called(),
            cluster=self.setting.cluster,
            namespace=identity.namespace,
            tenants=identity.tenants(self.setting),
            basis=self.desire.basis,
            path=written,
            desired=shown(difference.desired),
            observed=shown(difference.observed),
            by=hands[0] if hands else None,
            matter=rule.matter,
            why=rule.why,
            restoring=remedy if not isinstance(remedy, str) else None,
            no_change=remedy if isinstance(remedy, str) else "",
        )

    def _counts(self, difference: Difference, hands: tuple[Hand, ...], appliers: frozenset[str]) -> bool:
        kind, path, basis = self.identity.kind, paths.written(difference.path), self.desire.basis
        if difference.added:
            return owners.addition(hands, kind, path, basis, appliers)
        return owners.legitimate(hands, kind, path, basis) is None

    def _appliers(self, found: Iterable[Difference]) -> frozenset[str]:
        """Whoever holds most of what is desired: the one who applies it. Of what says next to nothing, its maker."""
        assert self.raw is not None, "there is something to compare with"
        counts = Counter(h.manager for p in _leaves(self.desire.form) for h in holders.hands(self.raw, p)[:1])
        most = counts.most_common(1)
        return frozenset({most[0][0]} if most else holders.oldest(self.raw))


def held_at(kind: str, path: paths.Path) -> paths.Path:
    """Where managedFields say who holds a field: a node's taints are held as one list."""
    return path[:2] if kind == "Node" and path[:2] == restoring.TAINTS else path


def shown(value: Json) -> str | None:
    """A value as JSON text fit for a record, at most `LONGEST_VALUE` characters; None is absent."""
    if value is None:
        return None
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        return "unreadable"
    return clean_text(text, LONGEST_VALUE)


def _tampered(identity: Identity, raw: Mapping[str, Any], setting: Setting) -> Iterator[Drift]:
    """Placet's own memory in the object, written by somebody else."""
    strangers = tuple(h for h in holders.hands(raw, _MARK) if h.manager != owners.PLACET)
    if strangers and applied.recalled(raw) is not None:
        difference = Difference(_MARK, "as placet wrote it", "written by another manager")
        yield _Comparison(identity, raw, setting, Desire(Basis.PLACET, {})).drift(difference, strangers)


def _leaves(value: Json, path: paths.Path = ()) -> Iterator[paths.Path]:
    if isinstance(value, dict) and value and len(path) < comparing.DEEPEST:
        for name, below in value.items():
            yield from _leaves(below, (*path, paths.field(str(name))))
    else:
        yield path


def _about(written: Mapping[str, Any]) -> Mapping[str, Any]:
    about = written.get("metadata")
    return about if isinstance(about, Mapping) else {}
