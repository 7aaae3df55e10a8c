"""The demo's scenery on real clusters: what an administrator sees and does there, by the API servers' own objects.

Called by the acts through the stage. A device fails as a device plugin says it, somebody's job is a Job that the
scheduler binds, and what refuses a write is an admission policy; nothing is faked beside the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes.aio.client import ApiClient, ApiException

from console.demo import witnessing
from console.demo.installing import collection
from console.demo.scenery import Errand, Proof
from console.demo.witnessing import Witness
from estate.conditions import Condition, Field
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, InstallationId, NodeId
from estate.law import Facts
from estate.snapshots import Snapshot, SnapshotVersion
from estate.workloads import Workload
from policies.admission.manifests import Check, Rule, Watch, binding, validating
from tools.controlplane import clients, faults, objects, settling
from tools.controlplane.populating import until_none
from tools.inventory.kubernetes.source import KubernetesSource
from tools.kubernetes import resources
from tools.kubernetes.connecting import Connection, Object

FAULT = "facilities have us-d2 on a lift: nobody writes to it now"
TAINTED, CORDONED, ADDED = "us-d1", "us-d2", "us-c1"
_OWN, _CONTROLLERS = "placet.dev/", "node.kubernetes.io/"
_LIVE = SnapshotVersion(installation=InstallationId("live"), epoch=0, sequence=0)


@dataclass(frozen=True, slots=True)
class Hands:
    """An administrator's two ways to one cluster: raw reads and watches, and what `tools.controlplane` writes with."""

    connection: Connection
    api: ApiClient
    witness: Witness


class ClusterScenery:
    """These clusters."""

    def __init__(self, clusters: Mapping[ClusterId, Hands], facts: Facts) -> None:
        """`facts` give their objects the names that the estate has for them."""
        self._clusters = clusters
        self._facts = facts

    async def look(self) -> Snapshot:
        """See the port. A fresh list of everything, read as the inventory reads it."""
        estate = FrozenEstate(_LIVE, self._facts)
        for cluster, hands in self._clusters.items():
            source = KubernetesSource(hands.connection, cluster, lambda: self._facts)
            async with aclosing(source.watch()) as watching:
                seen = await anext(watching)
            for node in seen.nodes:
                estate = estate.with_node(node)
            for workload in seen.workloads:
                estate = estate.with_workload(workload)
        return estate

    async def objects(self) -> Mapping[str, object]:
        """See the port. Without versions, statuses, and the annotations that Placet signs its own writes with."""
        found: dict[str, Object] = {}
        for cluster, hands in self._clusters.items():
            for kind in (resources.NODES, resources.DEPLOYMENTS, resources.JOBS, resources.BUDGETS):
                for raw in await _items(hands, kind):
                    found[f"{cluster} {kind.path(raw['metadata'].get('namespace', ''), raw['metadata']['name'])}"] = (
                        _bare(raw)
                    )
            pods = Counter(_seat(p) for p in await _items(hands, resources.PODS))
            found[f"{cluster} pods"] = {" ".join(seat): count for seat, count in pods.items()}
        return found

    async def lose_device(self, node: NodeId, index: int) -> None:
        """See the port. A device plugin only counts, so which one it is the senders have to say."""
        hands, path = self._of(node), resources.NODES.path(name=str(node))
        left = int((await clients.ask(hands.api, "GET", path))["status"]["allocatable"][objects.GPU]) - 1
        await faults.lose_accelerators(hands.api, str(node), left)

    async def start_job(self, job: Workload) -> None:
        """See the port."""
        (seat,) = job.bindings
        await settling.start(self._of(seat.node).api, job, str(seat.node))

    def errand(self, now: Snapshot) -> Errand:
        """See the port. Kubernetes knows no power cap, so a node is tainted and one is cordoned."""
        pilot = next(w for w in now.workloads() if w.name == "c-pilot")
        seat = {"replica": 2, "node": ADDED, "accelerators": [0, 1, 2, 3]}
        taint = {"key": "placet.dev/maintenance", "value": "cooling", "effect": "NoSchedule"}
        changes = [
            {"kind": "TaintNode", "node": TAINTED, "taint": taint},
            {"kind": "CordonNode", "node": CORDONED, "reason": "cooling of rack us-d is serviced"},
            {"kind": "ScaleWorkload", "workload": str(pilot.id), "replicas": 3, "bindings": [seat]},
        ]
        summary = "close two nodes of rack us-d and give the pilot a third replica"
        file = {"kind": "placet.change-file", "v": 1, "summary": summary, "changes": changes}
        return Errand(file, "both nodes are closed and the third replica runs", _done)

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """See the port. Rehearsals pass; the write itself meets an admission policy."""
        api = self._of(NodeId(CORDONED)).api
        this_node = ("this-node", f"object.metadata.name == '{CORDONED}'")
        for_good = ("no-rehearsal", "!(has(request.dryRun) && request.dryRun)")
        watch = Watch((Rule(("",), ("nodes",), ("UPDATE",), "Cluster"),), conditions=(this_node, for_good))
        policy = validating("placet-demo-fault", watch, (Check("false", f"'{FAULT}'"),))
        bound = binding(policy)
        made = (policy, bound)
        for manifest in made:
            await clients.create(api, collection(manifest), manifest)
        try:
            await until_none(lambda: _open(api, CORDONED), 30.0)
            yield
        finally:
            for manifest in made:
                await clients.ask(api, "DELETE", f"{collection(manifest)}/placet-demo-fault")
            await until_none(lambda: _shut(api, CORDONED), 30.0)

    async def proofs(self, promised: Sequence[Condition]) -> Sequence[Proof]:
        """See the port: each promise held against raw objects, and every disruption budget against every moment."""
        found = [proof for c in promised if (proof := await self._proof(c)) is not None]
        return (*found, await self._budgets())

    async def _proof(self, promise: Condition) -> Proof | None:
        name, wanted = promise.about.id, promise.equals
        match promise.field:
            case Field.CORDONED:
                spec = (await self._node(name))["spec"]
                held = bool(spec.get("unschedulable"))
                return Proof(f"{name}: its API server says unschedulable: {wanted}", held is wanted, str(held))
            case Field.TAINTS:
                taints = (await self._node(name))["spec"].get("taints", ())
                here = [f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in taints if t["key"].startswith(_OWN)]
                return Proof(f"{name}: its API server has the taints {_told(wanted)}", tuple(here) == wanted, str(here))
            case Field.BINDINGS:
                return await self._seats(name, wanted)
            case _:
                return None

    async def _seats(self, workload: str, wanted: object) -> Proof:
        cluster, namespace, _, name = workload.split(".", 3)
        pods = await _items(self._clusters[ClusterId(cluster)], resources.PODS)
        mine = [p for p in pods if _seat(p)[:2] == (namespace, name)]
        here = tuple(sorted(f"{p['spec'].get('nodeName')}×{_devices(p)}" for p in mine if witnessing.ready(p)))
        claim = f"{name}: its API server has ready pods on {_told(wanted)}, and no others"
        return Proof(claim, here == wanted and len(here) == len(mine), str(here))

    async def _budgets(self) -> Proof:
        broken, told = [], []
        for hands in self._clusters.values():
            broken += [hands.witness.lost] if hands.witness.lost else []
            for budget in await _items(hands, resources.BUDGETS):
                app = budget["metadata"]["namespace"], budget["metadata"]["name"]
                fewest, needed = hands.witness.fewest.get(app, 0), int(budget["spec"]["minAvailable"])
                told.append(f"{app[1]} {fewest} where {needed} must be")
                broken += [told[-1]] if fewest < needed else []
        claim = f"no disruption budget broke at any moment, by every event of every pod: at worst {', '.join(told)}"
        return Proof(claim, bool(told) and not broken, "; ".join(broken))

    async def _node(self, name: str) -> Object:
        return await clients.ask(self._of(NodeId(name)).api, "GET", resources.NODES.path(name=name))

    def _of(self, node: NodeId) -> Hands:
        rack = self._facts.rack_of[node]
        site = self._facts.rack[rack].site
        return next(self._clusters[c.id] for c in self._facts.clusters if c.site == site)


async def _items(hands: Hands, kind: resources.Resource) -> list[Object]:
    return [raw async for page in hands.connection.pages(kind.path()) for raw in page.items]


def _bare(raw: Object) -> Object:
    """An object without versions, status, our own annotations, and the taints that follow a fence by and by."""
    about, spec = raw["metadata"], dict(raw["spec"])
    annotations = {k: v for k, v in about.get("annotations", {}).items() if not k.startswith(_OWN)}
    if taints := [t for t in spec.pop("taints", ()) if not t["key"].startswith(_CONTROLLERS)]:
        spec["taints"] = taints
    return {"labels": about.get("labels", {}), "annotations": annotations, "spec": spec}


def _seat(pod: Object) -> tuple[str, str, str]:
    about = pod["metadata"]
    return about["namespace"], about.get("labels", {}).get(objects.APP, ""), str(pod["spec"].get("nodeName"))


def _devices(pod: Mapping[str, Any]) -> int:
    return sum(int(c["resources"].get("limits", {}).get(objects.GPU, 0)) for c in pod["spec"]["containers"])


def _told(wanted: object) -> str:
    return ", ".join(map(str, wanted)) if isinstance(wanted, tuple) and wanted else "none"


def _done(now: Snapshot) -> bool:
    tainted, cordoned = now.node(NodeId(TAINTED)), now.node(NodeId(CORDONED))
    pilot = next(w for w in now.workloads() if w.name == "c-pilot")
    closed = tainted is not None and tainted.fenced and cordoned is not None and cordoned.cordoned
    return closed and len(pilot.bindings) == 3


async def _open(api: ApiClient, node: str) -> list[str]:
    """Whether the node still takes a write that changes nothing."""
    try:
        await clients.ask(api, "PATCH", f"/api/v1/nodes/{node}", {}, content_type=clients.MERGE_PATCH)
    except ApiException as error:
        if FAULT not in str(error.body):
            raise
        return []
    return [f"{node} takes writes"]


async def _shut(api: ApiClient, node: str) -> list[str]:
    return [] if await _open(api, node) else [f"{node} takes no writes"]
