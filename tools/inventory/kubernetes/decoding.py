"""Objects straight off an API server's JSON: what nobody reads of them may change, and no dictionary is made for it.

Called by `modelling` before an object is read whole. Most of what a watch brings is a status that means nothing here,
or a fact about a node that is known. Everything is compared raw; what a fact means is decided by `tools.kubernetes`
alone, which is asked for it, and whatever cannot be told so is left to be read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import orjson

from estate.errors import BadInput
from estate.hardware import Health, Node, Taint
from tools.kubernetes import resources
from tools.kubernetes.fields import Raw
from tools.kubernetes.nodes import Reading
from tools.kubernetes.resources import Resource

_NOTHING: Final = msgspec.Raw(b"null")
_MOST_REMEMBERED: Final = 4096

type Parts = tuple[msgspec.Raw | str, ...]
type Facts = Mapping[str, Any]
"""Fields of a node that are others now."""
type Read = Callable[[Raw], Reading]
"""How a node is read whole."""


class _About(msgspec.Struct, gc=False):
    name: str
    uid: str
    namespace: str = ""
    resourceVersion: str = ""
    labels: msgspec.Raw = _NOTHING
    annotations: msgspec.Raw = _NOTHING
    ownerReferences: msgspec.Raw = _NOTHING


class _Condition(msgspec.Struct, gc=False):
    type: str
    status: str


class _NodeSpec(msgspec.Struct, gc=False):
    unschedulable: bool | None = None
    taints: msgspec.Raw = _NOTHING
    providerID: msgspec.Raw = _NOTHING


class _NodeStatus(msgspec.Struct, gc=False):
    capacity: msgspec.Raw = _NOTHING
    allocatable: msgspec.Raw = _NOTHING
    nodeInfo: msgspec.Raw = _NOTHING
    conditions: list[_Condition] | None = None


class _NodeForm(msgspec.Struct, gc=False):
    metadata: _About
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None

    def parts(self) -> Parts:
        """All that is read of it but what `Facts` tell."""
        spec, status = self.spec or _NodeSpec(), self.status or _NodeStatus()
        return spec.providerID, status.capacity, status.allocatable, status.nodeInfo


class _PodStatus(msgspec.Struct, gc=False):
    phase: str = ""
    resourceClaimStatuses: msgspec.Raw = _NOTHING
    extendedResourceClaimStatus: msgspec.Raw = _NOTHING


class _PodForm(msgspec.Struct, gc=False):
    metadata: _About
    spec: msgspec.Raw = _NOTHING
    status: _PodStatus | None = None

    def parts(self) -> Parts:
        """All that is read of it."""
        status = self.status or _PodStatus()
        return self.spec, status.phase, status.resourceClaimStatuses, status.extendedResourceClaimStatus


class _StatedForm(msgspec.Struct, gc=False):
    metadata: _About
    spec: msgspec.Raw = _NOTHING

    def parts(self) -> Parts:
        """All that is read of a kind whose status nobody reads."""
        return (self.spec,)


class _WholeForm(msgspec.Struct, gc=False):
    metadata: _About
    spec: msgspec.Raw = _NOTHING
    status: msgspec.Raw = _NOTHING

    def parts(self) -> Parts:
        """All that is read of a kind whose status is read too."""
        return self.spec, self.status


type _Form = _NodeForm | _PodForm | _StatedForm | _WholeForm

_FORMS: Final[dict[Resource, type[_Form]]] = {
    **dict.fromkeys((*resources.OWNERS, resources.BUDGETS), _StatedForm),
    resources.NODES: _NodeForm,
    resources.PODS: _PodForm,
    resources.JOBS: _WholeForm,
}
DECODED: Final = frozenset(_FORMS)
"""The kinds of which most changes are none."""


@dataclass(frozen=True, slots=True)
class Look:
    """An object as it came. `facts` is what changed of one that is known; None where it must be read whole."""

    form: _Form
    digest: int
    facts: Facts | None

    @property
    def uid(self) -> str:
        """Its uid."""
        return self.form.metadata.uid

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return self.form.metadata.resourceVersion


@dataclass(slots=True)
class _Known:
    """An object as it was read last; of a node, with the facts that may be told alone."""

    uid: str
    digest: int
    facts: dict[str, Any] = field(default_factory=dict)


class Objects:
    """The objects of one kind of one cluster. One task alone uses it."""

    def __init__(self, kind: Resource, read: Read) -> None:
        self._decode = msgspec.json.Decoder(_FORMS[kind]).decode
        self._telling = _Telling(read)
        self._known: dict[tuple[str, str], _Known] = {}
        """By namespace and name, so that one which takes the name of another is never taken for it."""
        self._called: dict[str, tuple[str, str]] = {}

    def look(self, raw: bytes) -> Look | None:
        """What changed of an object; None where it is nothing that can be known, and must be read whole."""
        try:
            form: _Form = self._decode(raw)
            digest = _digest(form)
            known = self._known.get((form.metadata.namespace, form.metadata.name))
            if known is None or known.digest != digest:
                return Look(form, digest, None)
            return Look(form, digest, self._told(known, form))
        except (msgspec.MsgspecError, BadInput):
            return None  # whoever reads it whole says what is wrong with it

    def know(self, look: Look) -> None:
        """It was read whole, and nothing of it was wrong."""
        about = look.form.metadata
        key = (about.namespace, about.name)
        known = _Known(about.uid, look.digest)
        try:
            self._told(known, look.form)
        except BadInput:
            return
        self._known[key], self._called[about.uid] = known, key

    def forget(self, uid: str, namespace: str, name: str) -> None:
        """The object of that uid, or that has that name, is another one now, or gone."""
        for key in {self._called.pop(uid, (namespace, name)), (namespace, name)}:
            if (known := self._known.pop(key, None)) is not None:
                self._called.pop(known.uid, None)

    def _told(self, known: _Known, form: _Form) -> Facts:
        return self._telling.news(known, form) if isinstance(form, _NodeForm) else {}


class _Telling:
    """What nodes say that may be told alone: whether they are cordoned, their taints, and their health."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._healths: dict[tuple[tuple[str, str], ...], Health] = {}
        self._taints: dict[bytes, tuple[Taint, ...]] = {}

    def news(self, known: _Known, form: _NodeForm) -> Facts:
        """What is otherwise than it was known, and is known from now on. Raises BadInput where it cannot be read."""
        spec, status = form.spec or _NodeSpec(), form.status or _NodeStatus()
        now: dict[str, Any] = {"cordoned": bool(spec.unschedulable), "health": self._health(status.conditions)}
        now["taints"] = self._tainted(bytes(spec.taints))
        news = {name: value for name, value in now.items() if known.facts.get(name, known) != value}
        known.facts = now
        return news

    def _health(self, conditions: list[_Condition] | None) -> Health:
        told = tuple([(c.type, c.status) for c in conditions or ()])
        found = self._healths.get(told)
        if found is None:
            form = [{"type": kind, "status": status} for kind, status in told]
            found = _remember(self._healths, told, self._alone(status={"conditions": form}).health)
        return found

    def _tainted(self, told: bytes) -> tuple[Taint, ...]:
        found = self._taints.get(told)
        if found is None:
            found = _remember(self._taints, told, self._alone(spec={"taints": orjson.loads(told)}).taints)
        return found

    def _alone(self, **parts: Raw) -> Node:
        """A node of which nothing else is known. Raises BadInput where a part cannot be read."""
        about: Raw = {"name": "alone", "uid": "alone"}
        reading = self._read({"metadata": about, **parts})
        if reading.faults:
            raise BadInput("; ".join(reading.faults))
        return reading.node


def _digest(form: _Form) -> int:
    """Stands for all that is read of an object, and is no fact."""
    about = form.metadata
    parts = (about.labels, about.annotations, about.ownerReferences, *form.parts())
    return hash((about.uid, *(part if isinstance(part, str) else bytes(part) for part in parts)))


def _remember[K, V](known: dict[K, V], told: K, meaning: V) -> V:
    """Remember what it means: a fleet says few different things, and nobody else may fill the memory."""
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[told] = meaning
    return meaning
