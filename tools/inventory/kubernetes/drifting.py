"""What drifted in one cluster, kept current object by object. In memory, no I/O.

Called by `modelling` for each object that was put or dropped: only that one is compared, and only where it remembers
what was applied to it or files declare it. What cannot be compared has no drift here; the model itself reports what it
keeps out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from estate.drifts import Drift
from estate.law import Facts
from tools.drift import desires, objects
from tools.drift.objects import Setting
from tools.drift.schemas import Schemas
from tools.kubernetes import resources
from tools.kubernetes.fields import Raw
from tools.kubernetes.resources import Resource

COMPARED = frozenset(
    (r.api_version, r.kind) for r in resources.WATCHED if r not in (resources.PODS, resources.REPLICA_SETS)
)
"""What people and Placet apply. Pods and ReplicaSets are made by controllers, with annotations copied from above."""

type Kind = tuple[str, str]
"""`apiVersion` and `kind`."""
type Found = dict[str, tuple[Drift, ...]]
"""The drifts of each object by what people call it; none any more where that is empty."""


class DriftBook:
    """The drifts of one cluster under one law base. One task alone uses it."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._declared: dict[str, Raw] = {}
        self._keeps_all = False
        self._kept: dict[str, tuple[Resource, Raw]] = {}
        self._names: dict[str, str] = {}
        self._open: Found = {}
        self._news: Found = {}
        self._listed: set[Kind] = set()

    @property
    def dirty(self) -> bool:
        """Whether something changed that was not taken yet."""
        return bool(self._news)

    def learn(self, schemas: Schemas) -> None:
        """The shapes of the cluster's kinds. Before, nothing is compared: every list would be one value."""
        self._again(Setting(self._setting.cluster, self._setting.facts, schemas))

    def obey(self, facts: Facts) -> None:
        """Other facts are in force: whose objects are is read anew."""
        self._again(Setting(self._setting.cluster, facts, self._setting.schemas))

    def declare(self, objects: Mapping[str, Raw]) -> None:
        """Files declare these objects from now on, by what people call them; what is there is compared again.

        From then on everything that may be compared is kept: files change while objects do not.
        """
        ended = [called for called in self._declared if called not in objects and called not in self._kept]
        self._declared, self._keeps_all = dict(objects), True
        for called in ended:
            self._found(called, ())
        self._again(self._setting)
        for kind in self._listed:
            self._look_for(kind)

    def _again(self, setting: Setting) -> None:
        self._setting = setting
        for resource, raw in list(self._kept.values()):
            self.put(resource, raw)

    def keeps(self, uid: str) -> bool:
        """Whether it must see the object of that uid however little changed: who changed it stands beside the rest."""
        return self._keeps_all or uid in self._names

    def put(self, resource: Resource, raw: Raw) -> None:
        """An object is there, or is another one now."""
        called, uid = self._called(resource, raw)
        if not called:
            return
        if not self._keeps_all and not any(True for _ in desires.remembered(raw)):
            self._release(called)
            self._found(called, ())
            return
        before = self._release(called)
        self._kept[called], self._names[uid] = (resource, raw), called
        if before is not None and before[1] is not raw and _stated(before[1]) == _stated(raw) is not None:
            return
        if not self._setting.schemas.knows(resource.api_version, resource.kind):
            return
        declared = [desires.declared(self._declared[called])] if called in self._declared else []
        told = objects.drifts(raw, self._setting, declared, api_version=resource.api_version, kind=resource.kind)
        self._found(called, told)

    def drop(self, resource: Resource, raw: Raw) -> None:
        """An object is gone: what Placet applied and did not delete itself is missed."""
        called, uid = self._called(resource, raw)
        if called and self._names.get(uid) == called:
            self._missed(called, uid, raw)

    def keep_only(self, resource: Resource, uids: Collection[str]) -> None:
        """Everything of that kind was listed: what is not in it is gone."""
        for uid, called in list(self._names.items()):
            kept = self._kept.get(called)
            if kept is not None and kept[0] is resource and uid not in uids:
                self._missed(called, uid, kept[1])
        self._listed.add((resource.api_version, resource.kind))
        self._look_for((resource.api_version, resource.kind))

    def take(self) -> Found:
        """What changed since the last time."""
        news, self._news = self._news, {}
        return news

    def everything(self) -> Found:
        """All that drifted."""
        self._news = {}
        return dict(self._open)

    def _missed(self, called: str, uid: str, raw: Raw) -> None:
        resource, _ = self._kept.pop(called)
        del self._names[uid]
        told = objects.missing(raw, self._setting, api_version=resource.api_version, kind=resource.kind)
        self._found(called, told or self._wanting(called))

    def _look_for(self, kind: Kind) -> None:
        """What files declare and a whole list did not hold."""
        for called, written in self._declared.items():
            if called not in self._kept and (written.get("apiVersion"), written.get("kind")) == kind:
                self._found(called, self._wanting(called))

    def _wanting(self, called: str) -> tuple[Drift, ...]:
        """The drift of an object that files declare, if they do, and that is not there."""
        written = self._declared.get(called)
        return objects.missing(written, self._setting) if written is not None else ()

    def _release(self, called: str) -> tuple[Resource, Raw] | None:
        """Keep the object of that name no longer, whichever uid it has: it may be another one by now."""
        kept = self._kept.pop(called, None)
        if kept is not None and self._names.get(uid := self._called(*kept)[1]) == called:
            del self._names[uid]
        return kept

    def _found(self, called: str, told: tuple[Drift, ...]) -> None:
        if told == self._open.get(called, ()):
            return
        self._news[called] = told
        if told:
            self._open[called] = told
        else:
            del self._open[called]

    def _called(self, resource: Resource, raw: Mapping[str, object]) -> tuple[str, str]:
        """What the object is called and its uid; nothing where it is not compared or has no name."""
        found = objects.Identity.of(raw, resource.api_version, resource.kind) if _compared(resource) else None
        return (found.called(), found.uid) if found is not None and found.uid else ("", "")


def _compared(resource: Resource) -> bool:
    return (resource.api_version, resource.kind) in COMPARED


def _stated(raw: Raw) -> tuple[object, ...] | None:
    """What tells two readings apart that state the same: a status is news a hundred times, what is stated once. None
    where the kind does not count its changes.
    """
    about = raw.get("metadata")
    if not isinstance(about, dict) or not about.get("generation"):
        return None
    return tuple(about.get(k) for k in ("uid", "generation", "labels", "annotations"))
