"""The drifts of an estate: what its files and signed facts say against what is observed. Pure.

Called for the one node or workload that changed, and by people for all of them. Uids, boots, health and what a node
draws are how things are, not how they should be; of a counted workload nodes and counts are compared, since its numbers
are book-keeping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, assert_never

from estate.canonical import Json
from estate.changes import (
    CordonNode,
    MoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.drifts import Basis, Drift
from estate.hardware import Node, Taint
from estate.ids import ClusterId, NodeId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind
from estate.workloads import Binding, Workload
from estate.worlds import World
from tools.drift import comparing, matters, paths
from tools.drift.comparing import Difference
from tools.drift.objects import shown
from tools.drift.restoring import REASON, Remedy
from tools.drift.shapes import UNTYPED, Shape, Sort, Written, keyed

NODE: Final = Written(
    parts={
        "accelerators": keyed("index", below=Written(parts={"partitions": keyed("index")})),
        "taints": keyed("effect", "key"),
    }
)
WORKLOAD: Final = Written(parts={"bindings": Written(Sort.ATOMIC), "contract": UNTYPED})
_STATED: Final = {
    "node": ("cluster", "name", "accelerators", "power_cap_watts", "cordoned", "taints"),
    "workload": ("tenant", "kind", "contract", "replicas", "datasets", "bindings"),
}
_STATES: Final = frozenset({"health", "uuid", "pci_address", "throttled", "faults", "origins"})
"""Of a device: how it is, and names that its cluster may not know."""
_CLOSED: Final = ("cordoned", "power_cap_watts", "taints")
"""Fields that a file states by leaving them out."""

type Made = Node | Workload


def drifts(desired: World, observed: Snapshot) -> Iterator[Drift]:
    """Every node and workload of the file, in its order, and every node that facts place."""
    for node in desired.nodes:
        yield from of_thing(node, observed.node(node.id), observed.facts)
    for workload in desired.workloads:
        yield from of_thing(workload, observed.workload(workload.id), observed.facts)
    yield from places(observed)


def places(observed: Snapshot) -> Iterator[Drift]:
    """Nodes that are missing from their racks, and nodes that no fact places. A scan: for people."""
    for name in sorted({*observed.facts.rack_of, *(n.id for n in observed.nodes())}):
        yield from of_place(name, observed.node(name), observed.facts)


def of_place(name: NodeId, observed: Node | None, facts: Facts) -> Iterator[Drift]:
    """Whether one node is where facts place it: there at all, and in a cluster of that site."""
    rack = facts.rack_of.get(name)
    if rack is not None and observed is None:
        looked = "a machine is looked for, and a file corrected; no change puts it back"
        yield _drift(_node(name), Basis.FACTS, Difference((), f"in rack {rack}", None), looked, _of_rack(facts, name))
    elif rack is None and observed is not None:
        signed = "where a node stands is a signed fact; add it to a rack there, or take it out of its cluster"
        yield _drift(_node(name), Basis.FACTS, Difference(("f:rack",), None, "unknown"), signed, observed.cluster)


def of_thing(desired: Made, observed: Made | None, facts: Facts) -> Iterator[Drift]:
    """One thing of a file against what is observed of it."""
    if observed is None:
        why = "it is not observed; look for it, or take it out of the file"
        yield _of_file(desired, Difference((), "present", None), why)
        return
    wanted, found = _form(desired), _form(observed)
    for difference in comparing.differences(wanted, found, _shape(desired)):
        if not difference.added or difference.path[0] in map(paths.field, _CLOSED):
            yield _of_file(desired, difference, _remedy(desired, observed, difference))


def _of_file(desired: Made, difference: Difference, remedy: Remedy) -> Drift:
    found = _drift(_thing(desired), Basis.ESTATE_FILE, difference, remedy, desired.cluster)
    match desired:
        case Node():
            return found.model_copy(update={"called": f"Node {desired.name}"})
        case Workload():
            whose = {"namespace": desired.namespace, "tenants": (desired.tenant,)}
            return found.model_copy(update={"called": f"Workload {desired.namespace}/{desired.name}", **whose})
        case unreachable:
            assert_never(unreachable)


def _drift(
    thing: Thing,
    basis: Basis,
    difference: Difference,
    remedy: Remedy,
    cluster: ClusterId | None,
) -> Drift:
    written = paths.written(difference.path)
    rule = matters.rule(thing.kind.value, written)
    return Drift(
        about=thing,
        called=str(thing),
        cluster=cluster,
        basis=basis,
        path=written,
        desired=shown(difference.desired),
        observed=shown(difference.observed),
        matter=rule.matter,
        why=rule.why,
        restoring=remedy if not isinstance(remedy, str) else None,
        no_change=remedy if isinstance(remedy, str) else "",
    )


def _form(thing: Made) -> dict[str, Json]:
    """What is compared: what is stated, without how it is."""
    form: dict[str, Json] = thing.model_dump(mode="json", exclude_defaults=True)
    kept = {k: form[k] for k in _STATED[_thing(thing).kind.value] if k in form}
    if isinstance(thing, Workload):
        return kept | {"bindings": _bound(thing)}
    kept.setdefault("taints", [])  # none is a statement too
    devices = kept.get("accelerators")
    if isinstance(devices, list):
        kept["accelerators"] = [_device(d) for d in devices]
    return kept


def _device(form: Json) -> Json:
    return {k: v for k, v in form.items() if k not in _STATES} if isinstance(form, dict) else form


def _bound(workload: Workload) -> Json:
    """Where it runs: by replica, or nodes and counts."""
    if workload.counted:
        counts: dict[str, Json] = dict(sorted(Counter(str(b.node) for b in workload.bindings).items()))
        return counts
    return [b.json_form() for b in sorted(workload.bindings, key=lambda b: b.replica)]


def _remedy(desired: Made, observed: Made, difference: Difference) -> Remedy:
    match desired, observed:
        case Node(), Node():
            return _of_node(desired, difference)
        case Workload(), Workload():
            return _of_workload(desired, observed, difference)
        case _:
            return "another thing has that name; correct the file"


def _of_node(desired: Node, difference: Difference) -> Remedy:
    match difference.path[0]:
        case "f:cordoned":
            return CordonNode(node=desired.id, reason=REASON) if desired.cordoned else UncordonNode(node=desired.id)
        case "f:power_cap_watts":
            return SetPowerCap(node=desired.id, watts=desired.power_cap_watts)
        case "f:taints":
            return _taint(desired, difference)
        case "f:accelerators" if "f:partitions" in difference.path:
            return "how devices are cut is a layout that facts state; ask for it by a change `RepartitionAccelerator`"
        case "f:accelerators":
            return "no change puts a device in; look at the machine"
        case _:
            return "which machine it is stands in the file; correct the one that is wrong"


def _taint(desired: Node, difference: Difference) -> Remedy:
    form = difference.observed if difference.added else difference.desired
    if not isinstance(form, dict):
        return "the taint has another value; lift it and put it anew"
    taint = Taint.model_validate(form)
    if not taint.own:
        return f"`{taint.key}` is somebody else's to put and lift; have them do it"
    return UntaintNode(node=desired.id, taint=taint) if difference.added else TaintNode(node=desired.id, taint=taint)


def _of_workload(desired: Workload, observed: Workload, difference: Difference) -> Remedy:
    match difference.path[0]:
        case "f:replicas":
            return _scale(desired, observed)
        case "f:bindings":
            return _move(desired, observed)
        case "f:contract":
            return "what was promised stands in its owner's template or contract; have them restore it"
        case _:
            return "whose it is and what it uses is its owner's template's; have them restore it"


def _scale(desired: Workload, observed: Workload) -> Remedy:
    if desired.counted and desired.replicas > observed.replicas:
        return "replicas to add need nodes, which a case chooses; ask for them"
    added = tuple(b for b in desired.bindings if b.replica >= observed.replicas)
    return ScaleWorkload(workload=desired.id, replicas=desired.replicas, bindings=added)


def _move(desired: Workload, observed: Workload) -> Remedy:
    if desired.counted or desired.replicas != observed.replicas:
        return "where its replicas run is planned anew by a case; ask for a move to the nodes of the file"
    before = {b.replica: b for b in observed.bindings}
    moves = tuple(_back(b, before.get(b.replica)) for b in desired.bindings if before.get(b.replica) != b)
    if not moves:
        return "it runs where the file places nothing; stop it there"
    return MoveWorkload(workload=desired.id, moves=moves)


def _back(wanted: Binding, found: Binding | None) -> ReplicaMove:
    source = found.node if found is not None else None
    return ReplicaMove(replica=wanted.replica, source=source, target=wanted.node, accelerators=wanted.accelerators)


def _thing(made: Made) -> Thing:
    match made:
        case Node():
            return _node(made.id)
        case Workload():
            return Thing(kind=ThingKind.WORKLOAD, id=made.id)
        case unreachable:
            assert_never(unreachable)


def _shape(made: Made) -> Shape:
    return NODE if isinstance(made, Node) else WORKLOAD


def _node(name: NodeId) -> Thing:
    return Thing(kind=ThingKind.NODE, id=name)


def _of_rack(facts: Facts, name: NodeId) -> ClusterId | None:
    """The one cluster of the rack's site, where there is one."""
    site = facts.rack[facts.rack_of[name]].site
    here = [c.id for c in facts.clusters if c.site == site]
    return here[0] if len(here) == 1 else None
