"""What may be supposed of an estate: a closed union. Written by people and models, read by `outcomes`.

Each says what the estate would then be; what cannot be (a rack that no fact knows) is a BadInput that names it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from estate.changes import RepartitionAccelerator
from estate.errors import BadInput
from estate.hardware import Accelerator, Health, Node
from estate.ids import NodeId, RackId, SiteId, TenantId, Uid, WorkloadId
from estate.law import Facts, Rack, Tenant
from estate.law.layouts import LayoutName
from estate.law.tenants import Quota
from estate.machines import LinkState
from estate.records import Model
from estate.references import WrittenRef
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.units import Mebibytes, MegabitsPerSecond, Millicores, MilliGpu, Watts


class Lose(Model):
    """A failure domain is lost: `node/eu-a1`, `rack/eu-a`, `feed/a`, `leaf/leaf-a`, `site/eu-de`, `provider/acme`."""

    kind: Literal["lose"] = "lose"
    domain: WrittenRef


class AddNodes(Model):
    """More nodes, empty, like one that is there, in its rack or another."""

    kind: Literal["add-nodes"] = "add-nodes"
    like: NodeId
    count: int = Field(ge=1, le=1000)
    rack: RackId | None = None

    def apply(self, snapshot: Snapshot, base: Snapshot) -> Snapshot:
        """The estate with them; in `base` what they are like is as it is, lost since or not."""
        model = base.node(self.like)
        if model is None:
            raise BadInput(f"like: no node `{self.like}`; see `placet get nodes`")
        rack = self.rack or snapshot.rack_of(self.like)
        if rack is None or rack not in snapshot.facts.rack:
            raise BadInput(f"rack: `{rack or self.like}` is in no signed fact; name a rack of `placet get racks`")
        added = [_another(model, name) for name in itertools.islice(_unused(self.like, snapshot), self.count)]
        known = snapshot.facts.rack[rack]
        nodes = (*known.nodes, *(n.id for n in added))
        snapshot = snapshot.with_facts(_with_rack(snapshot.facts, known.model_copy(update={"nodes": nodes})))
        for node in added:
            snapshot = snapshot.with_node(node)
        return snapshot


class SetQuota(Model):
    """A tenant may use so many accelerators in all, or of one site or model."""

    kind: Literal["set-quota"] = "set-quota"
    tenant: TenantId
    accelerators: int = Field(ge=0, le=1_000_000)
    site: SiteId | None = None
    model: str = ""

    def apply(self, snapshot: Snapshot) -> Snapshot:
        """The estate under it."""
        facts = snapshot.facts
        known = facts.tenant.get(self.tenant)
        if known is None:
            raise BadInput(f"tenant: no tenant `{self.tenant}`; there are {', '.join(sorted(facts.tenant))}")
        if self.site is not None and self.site not in facts.site:
            raise BadInput(f"site: no site `{self.site}`; there are {', '.join(sorted(facts.site))}")
        models = {a.model for n in snapshot.nodes() for a in n.accelerators}
        if self.model and self.model not in models:
            raise BadInput(f"model: nobody here has a `{self.model}`; there are {', '.join(sorted(models))}")
        others = [
            q for q in known.quotas if (q.site, q.model, q.accelerators is None) != (self.site, self.model, False)
        ]
        quota = Quota(site=self.site, model=self.model, accelerators=MilliGpu(self.accelerators * 1000))
        tenant = known.model_copy(update={"quotas": (*others, quota)})
        tenants = tuple(tenant if t.id == self.tenant else t for t in facts.tenants)
        return snapshot.with_facts(_facts(facts, tenants=tenants))


class SetBudget(Model):
    """A rack may draw so much."""

    kind: Literal["set-budget"] = "set-budget"
    rack: RackId
    watts: int = Field(ge=0, le=10_000_000)

    def apply(self, snapshot: Snapshot) -> Snapshot:
        """The estate under it."""
        known = snapshot.facts.rack.get(self.rack)
        if known is None:
            few = ", ".join(sorted(snapshot.facts.rack)[:12])
            raise BadInput(f"rack: no rack `{self.rack}`; there are {few}")
        rack = known.model_copy(update={"power_budget_watts": Watts(self.watts)})
        return snapshot.with_facts(_with_rack(snapshot.facts, rack))


class SetCap(Model):
    """A node may draw so much."""

    kind: Literal["set-cap"] = "set-cap"
    node: NodeId
    watts: int = Field(ge=0, le=1_000_000)

    def apply(self, snapshot: Snapshot) -> Snapshot:
        """The estate under it."""
        node = snapshot.node(self.node)
        if node is None:
            raise BadInput(f"node: no node `{self.node}`; see `placet get nodes`")
        return snapshot.with_node(node.model_copy(update={"power_cap_watts": Watts(self.watts)}))


class Repartition(Model):
    """The accelerators of a node are cut by a layout that facts state for its cluster."""

    kind: Literal["repartition"] = "repartition"
    node: NodeId
    layout: LayoutName

    def apply(self, snapshot: Snapshot) -> Snapshot:
        """The estate with them; whatever bars the change bars what is supposed."""
        result = RepartitionAccelerator(node=self.node, layout=self.layout).effect(snapshot)
        if isinstance(result, Refusal):
            raise BadInput(f"repartition: {result.message}")
        return result.value


class SetFacts(Model):
    """Another law: facts as somebody would sign them."""

    kind: Literal["set-facts"] = "set-facts"
    facts: Facts

    def apply(self, snapshot: Snapshot) -> Snapshot:
        """The estate under them."""
        return snapshot.with_facts(self.facts)


class MoveWork(Model):
    """All replicas of a workload move: anywhere else, or to one site or rack."""

    kind: Literal["move"] = "move"
    workload: WorkloadId
    site: SiteId | None = None
    rack: RackId | None = None
    """One of these at most."""

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if self.site is not None and self.rack is not None:
            raise ValueError("site, rack: name one of them")
        return self


class Grow(Model):
    """A workload has so many replicas, or fewer."""

    kind: Literal["grow"] = "grow"
    workload: WorkloadId
    replicas: int = Field(ge=0, le=10_000)


type Supposition = Annotated[
    Lose | AddNodes | SetQuota | SetBudget | SetCap | Repartition | SetFacts | MoveWork | Grow,
    Field(discriminator="kind"),
]


def _facts(facts: Facts, *, racks: tuple[Rack, ...] | None = None, tenants: tuple[Tenant, ...] | None = None) -> Facts:
    """A copy with these in the place of the old ones; made anew, so that no index of the old one is carried along."""
    fields = {name: getattr(facts, name) for name in type(facts).model_fields}
    return Facts(**fields | {"racks": racks or facts.racks, "tenants": tenants or facts.tenants})


def _with_rack(facts: Facts, rack: Rack) -> Facts:
    return _facts(facts, racks=tuple(rack if r.id == rack.id else r for r in facts.racks))


def _unused(like: NodeId, snapshot: Snapshot) -> Iterator[str]:
    """Names for more of it: more of the same may have been supposed before."""
    named = (f"{like}-more-{number}" for number in itertools.count(1))
    return (n for n in named if NodeId(n) not in snapshot.facts.rack_of and snapshot.node(NodeId(n)) is None)


def _another(like: Node, name: str) -> Node:
    """An empty, healthy, open node of the same make: nothing that was seen of the old one alone is said of it."""
    fresh = {
        "id": NodeId(name),
        "uid": Uid(f"uid-{name}"),
        "name": name,
        "accelerators": tuple(_devices(like, name)),
        "cordoned": False,
        "health": Health.HEALTHY,
        "taints": tuple(t for t in like.taints if not t.own),
        "other_millicores": Millicores(0),
        "other_mebibytes": Mebibytes(0),
        "nics": tuple(n.model_copy(update=_IDLE) for n in like.nics),
    }
    return like.model_copy(update=fresh | dict.fromkeys(("boot_id", *_STRONG), "") | {"origins": ()})


_STRONG = ("serial", "system_uuid", "provider_id")
_IDLE = {"state": LinkState.UP, "used": MegabitsPerSecond(0), "address": ""}


def _devices(like: Node, name: str) -> Iterator[Accelerator]:
    for device in like.accelerators:
        fresh = {
            "uuid": f"GPU-{name}-{device.index}",
            "nvlink_domain": device.nvlink_domain and f"{name}-{device.nvlink_domain}",
            "board": device.board and f"{name}-{device.board}",
            "serial": "",
            "health": Health.HEALTHY,
            "throttled_by": (),
            "faults": (),
        }
        yield device.model_copy(update=fresh)
