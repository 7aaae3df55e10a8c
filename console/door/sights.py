"""Which things of the estate a caller may know of, and how much of each. Pure; the default is that they may not.

People of a tenant see what is theirs by signed fact or by their own work, the nodes and devices that it runs on, and of
the racks and sites around it no more than where they are. What belongs to nobody in particular is the house's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from console.door.views import Sight
from estate.ids import NodeId, RackId, SiteId
from estate.references import Ref
from tools.views.sums import Sums
from tools.views.things import Form, Thing, tenants_of


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who looks at one snapshot."""

    sums: Sums
    sight: Sight

    def sees(self, ref: Ref) -> bool:
        """Whether they may know that it is there."""
        if self.sight.everything:
            return True
        match ref.kind:
            case "node":
                return self.sees_node(NodeId(ref.id))
            case "accelerator":
                return self.sees_node(NodeId(ref.id.rpartition("/")[0]))
            case "rack":
                return self._sees_rack(RackId(ref.id))
            case "site":
                return any(self._sees_rack(r) for r in self.sums.snapshot.facts.racks_at.get(SiteId(ref.id), ()))
            case _:
                owners = tenants_of(self.sums.snapshot, ref)
                return bool(owners) and owners <= self.sight.tenants

    def sees_node(self, node: NodeId) -> bool:
        """Whether work of theirs is on it."""
        return self.sight.everything or self.sight.of_any(w.tenant for w in self.sums.snapshot.workloads_on(node))

    def form(self, thing: Thing) -> Form:
        """The fields that they may read."""
        form = thing.form()
        if self.sight.everything:
            return form
        match thing.ref.kind:
            case "rack":
                nodes = form.get("nodes")
                own = [n for n in nodes if self.sees_node(NodeId(str(n)))] if isinstance(nodes, list) else []
                return {"kind": "rack", "id": form["id"], "site": form.get("site"), "nodes": [*own]}
            case "site":
                return {"kind": "site", "id": form["id"], "country": form.get("country")}
            case "tenant":
                return {k: v for k, v in form.items() if k != "apart_from"}
            case _:
                return form

    def _sees_rack(self, rack: RackId) -> bool:
        use = self.sums.racks.get(rack)
        return use is not None and not self.sight.tenants.isdisjoint(use.tenants)
