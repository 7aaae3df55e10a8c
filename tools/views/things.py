"""Everything that the estate knows by name, as one union of kinds: items, nodes, workloads, devices and law alike.

Called by the catalogue's tools and by the door. What several hands describe (a rack is law and is built) is one thing
with the fields of both. A kind that is added to `estate.items` is here without a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from estate import items, neighbours
from estate.canonical import Json
from estate.errors import BadInput
from estate.hardware import Accelerator, Node
from estate.ids import ClusterId, DatasetId, NodeId, SiteId, TenantId, WorkloadId
from estate.law import Cluster, Dataset, Facts, LegalEntity, Rack, Site, Tenant
from estate.records import Model
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Workload

type Form = dict[str, Json]

_LAW: Final[Mapping[str, tuple[type[Model], Callable[[Facts], Mapping[Any, Model]]]]] = {
    "site": (Site, lambda facts: facts.site),
    "rack": (Rack, lambda facts: facts.rack),
    "cluster": (Cluster, lambda facts: facts.cluster),
    "tenant": (Tenant, lambda facts: facts.tenant),
    "entity": (LegalEntity, lambda facts: facts.entity),
    "dataset": (Dataset, lambda facts: facts.dataset),
}
_SEEN: Final[Mapping[str, type[Model]]] = {"node": Node, "workload": Workload, "accelerator": Accelerator}

KINDS: Final[Mapping[str, tuple[type[Model], ...]]] = {
    kind: tuple(m for m in (_LAW[kind][0] if kind in _LAW else None, _SEEN.get(kind), items.KINDS.get(kind)) if m)
    for kind in sorted({*items.KINDS, *_LAW, *_SEEN})
}
"""Every kind by its word, with the models whose fields it has."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing, as each hand describes it."""

    ref: Ref
    parts: tuple[Model, ...]

    def form(self) -> Form:
        """Its fields as plain JSON. What a workload is for is `work` here: `kind` is what it is."""
        form: Form = {"kind": self.ref.kind, "id": self.ref.id}
        for part in self.parts:
            fields = part.json_form()
            if isinstance(part, Workload):
                fields["work"] = fields.pop("kind")
            if isinstance(part, items.ItemKind):
                fields = {name: value for name, value in fields.items() if value not in (None, [], "")}
            form |= {name: value for name, value in fields.items() if name not in ("kind", "id", "origins")}
        return form


def known_kind(text: str) -> str:
    """The kind that somebody means, in the singular. Raises BadInput."""
    for kind in (text, text.removesuffix("s"), _singular(text)):
        if kind in KINDS:
            return kind
    raise BadInput(f"no kind `{text}`; there are {', '.join(KINDS)}")


def plural(kind: str) -> str:
    """What several of them are called."""
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith(("s", "ch")) else f"{kind}s"


def find(snapshot: Snapshot, ref: Ref) -> Thing | None:
    """The thing of that name, or None."""
    law = _LAW.get(ref.kind)
    parts = (law[1](snapshot.facts).get(ref.id) if law else None, _seen(snapshot, ref), snapshot.stock.get(ref))
    found = tuple(p for p in parts if p is not None)
    return Thing(ref, found) if found else None


def every(snapshot: Snapshot, kind: str) -> Iterator[Thing]:
    """Every thing of a kind, by id. Of nodes, workloads and accelerators a scan, made one by one as they are read."""
    match kind:
        case "node":
            yield from (Thing(Ref(kind, n.id), (n,)) for n in snapshot.nodes())
        case "workload":
            yield from (Thing(Ref(kind, w.id), (w,)) for w in snapshot.workloads())
        case "accelerator":
            yield from (t for n in snapshot.nodes() for t in devices(n))
        case _:
            declared = (item.id for item in snapshot.stock.all(kind))
            law = _LAW[kind][1](snapshot.facts) if kind in _LAW else {}
            yield from _found(snapshot, kind, sorted({*law, *declared}))


def devices(node: Node) -> Iterator[Thing]:
    """The accelerators of a node as things."""
    return (Thing(neighbours.accelerator(node.id, a.index), (a,)) for a in node.accelerators)


def site_of(snapshot: Snapshot, ref: Ref) -> SiteId | None:
    """The site that a thing belongs to: by signed fact for nodes and racks, else by what it hangs on."""
    if ref.kind == "site":
        return SiteId(ref.id)
    law = snapshot.facts.cluster.get(ClusterId(ref.id)) if ref.kind == "cluster" else None
    if law is not None:
        return law.site
    above = neighbours.domains(snapshot, ref)
    return next((SiteId(a.id) for a in above if a.kind == "site"), None)


def tenants_of(snapshot: Snapshot, ref: Ref) -> frozenset[TenantId]:
    """Whose a thing is: the tenant that it names, or whose work it is about. Empty: nobody's in particular."""
    match ref.kind:
        case "tenant":
            return frozenset({TenantId(ref.id)})
        case "dataset":
            data = snapshot.facts.dataset.get(DatasetId(ref.id))
            return frozenset({data.tenant} if data else ())
        case "workload":
            work = snapshot.workload(WorkloadId(ref.id))
            return frozenset({work.tenant} if work else ())
        case _:
            return frozenset(_named_tenants(snapshot, ref))


def _named_tenants(snapshot: Snapshot, ref: Ref) -> Iterator[TenantId]:
    item = snapshot.stock.get(ref)
    for _, named in item.named() if item is not None else ():
        if named.kind == "tenant":
            yield TenantId(named.id)
        elif named.kind == "workload" and (work := snapshot.workload(WorkloadId(named.id))) is not None:
            yield work.tenant


def _seen(snapshot: Snapshot, ref: Ref) -> Model | None:
    match ref.kind:
        case "node":
            return snapshot.node(NodeId(ref.id))
        case "workload":
            return snapshot.workload(WorkloadId(ref.id))
        case "accelerator":
            name, _, index = ref.id.rpartition("/")
            node = snapshot.node(NodeId(name))
            return next((a for a in node.accelerators if str(a.index) == index), None) if node else None
        case _:
            return None


def _found(snapshot: Snapshot, kind: str, ids: Iterable[str]) -> Iterator[Thing]:
    return (t for i in ids if (t := find(snapshot, Ref(kind, i))) is not None)


def _singular(text: str) -> str:
    return f"{text.removesuffix('ies')}y" if text.endswith("ies") else text.removesuffix("es")
