"""Which typed change puts a drift of an object right, or why none does. Pure.

A change is named only where the executor would carry it out: what another field manager holds is never overruled
(`docs/decisions/0012`, `0015`), so there the answer names that manager. Whether the change is lawful is the gate's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from estate.canonical import Json
from estate.changes import ApplyManifest, Change, CordonNode, ScaleWorkload, TaintNode, UntaintNode
from estate.drifts import Basis
from estate.errors import BadInput
from estate.hardware import Taint
from estate.ids import ClusterId, NodeId, Uid, WorkloadId
from estate.manifests import KINDS, Form, Manifest
from estate.objects import Held
from estate.records import explain
from tools.drift import holders
from tools.drift.comparing import Difference
from tools.drift.desires import Desire
from tools.drift.owners import PLACET
from tools.kubernetes import ownership

if TYPE_CHECKING:
    from tools.drift.objects import Identity

type Remedy = Change | str
"""A change, or why there is none."""

REASON: Final = "drift"
TAINTS: Final = ("f:spec", "f:taints")
_manifests: TypeAdapter[Form] = TypeAdapter(Manifest)


@dataclass(frozen=True, slots=True)
class Case:
    """One difference of one object, with all that a remedy needs."""

    identity: Identity
    raw: Mapping[str, Any] | None
    """None: the object is gone."""
    thing: str
    """What the estate calls it."""
    cluster: ClusterId
    desire: Desire
    difference: Difference

    @property
    def others(self) -> tuple[str, ...]:
        """The other managers that hold the field now."""
        found = holders.hands(self.raw, self.difference.path) if self.raw is not None else ()
        return tuple(dict.fromkeys(h.manager for h in found if h.manager != PLACET))


def of_object(case: Case) -> Remedy:
    """The change, or the reason why none."""
    kind, path = case.identity.kind, case.difference.path
    if kind == "Node" and path[:2] == TAINTS:
        return _taint(case)
    if case.others:
        return _held(case.others)
    if kind in KINDS:
        return _manifest(case)
    if kind == "Node" and path == ("f:spec", "f:unschedulable"):
        return CordonNode(node=NodeId(case.thing), reason=REASON)
    if path == ("f:spec", "f:replicas"):
        return _scale(case)
    if case.desire.basis is Basis.PLACET and path[:4] == ("f:spec", "f:template", "f:spec", "f:affinity"):
        return "where replicas run is planned anew by a case; ask for a move to the nodes that were chosen"
    again = "`kubectl apply`" if case.desire.basis is Basis.KUBECTL else "whoever declares it"
    return f"placet writes no such field of a {kind}; have {again} apply it again"


def _held(others: tuple[str, ...]) -> str:
    names = ", ".join(f"`{m}`" for m in others)
    return f"field manager {names} holds it, which is never overruled; change it there, or have it give the field up"


def _taint(case: Case) -> Remedy:
    named, difference = json.loads(case.difference.path[2][2:]), case.difference
    whole = len(case.difference.path) == 3
    found = difference.observed if difference.added else difference.desired if whole else {"value": difference.desired}
    try:
        value = found.get("value") if isinstance(found, dict) else None
        taint = Taint(key=named.get("key", ""), value=value or "", effect=named.get("effect"))
    except ValidationError as error:
        return f"it is no taint that placet knows ({explain(error)}); take it away by hand"
    if not taint.own:
        return f"`{taint.key}` is somebody else's to put and lift; have {_names(case.others)} do it"
    node = NodeId(case.thing)
    return UntaintNode(node=node, taint=taint) if difference.added else TaintNode(node=node, taint=taint, reason=REASON)


def _scale(case: Case) -> Remedy:
    wanted, found = case.difference.desired, case.difference.observed
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not isinstance(found, int):
        return "it is no number of replicas; correct it by hand"
    if wanted > found:
        return f"{wanted - found} more replicas need nodes, which a case chooses; ask for them"
    return ScaleWorkload(workload=WorkloadId(case.thing), replicas=wanted)


def _manifest(case: Case) -> Remedy:
    if case.desire.basis is Basis.KUBECTL:
        return "it is kubectl's object; have `kubectl apply` apply it again"
    try:
        wanted = _manifests.validate_python(_written(case, case.desire.form))
        before = _before(case)
        return (
            before if isinstance(before, str) else ApplyManifest(cluster=case.cluster, manifest=wanted, before=before)
        )
    except ValidationError as error:
        return f"what is desired cannot be applied ({explain(error)}); have whoever declared it apply it"


def _before(case: Case) -> Held | None | str:
    """What the change expects to find."""
    if case.raw is None:
        return None
    if strangers := ownership.strangers(case.raw):
        return _held(strangers)
    try:
        held = _manifests.validate_python(_written(case, ownership.held_form(case.raw)))
    except (ValidationError, BadInput):
        return "placet holds nothing of it any more, so that nobody can say what would be replaced; delete it by hand"
    return Held(uid=Uid(case.identity.uid), manifest=held)


def _written(case: Case, form: Mapping[str, Json]) -> Form:
    """A form as the manifest that states it."""
    about = form.get("metadata")
    told = {k: v for k, v in about.items() if k in ("labels", "annotations")} if isinstance(about, dict) else {}
    where: Form = {"name": case.identity.name, "namespace": case.identity.namespace, **told}
    content = {k: v for k, v in form.items() if k not in ("metadata", "status")}
    return {"apiVersion": case.identity.api_version, "kind": case.identity.kind, "metadata": where, **content}


def _names(others: tuple[str, ...]) -> str:
    return ", ".join(f"`{m}`" for m in others) or "whoever put it"
