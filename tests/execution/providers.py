"""A provider of machines, played on the real definitions of Cluster API: it makes what is wanted, and takes what is
marked; of machines that nobody marked the oldest, so that a mark that was forgotten is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from estate.conditions import Condition, Field
from estate.errors import PlacetError
from estate.frozen import FrozenEstate
from estate.ids import MachineGroupId, Uid
from estate.law import Facts
from estate.things import Thing, ThingKind
from tests import pooled
from tests.execution.clusters import CLUSTER, QUICK, ClusterWorld, until
from tests.kubernetes import companions
from tools.controlplane import definitions
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.groups import LEAVES
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.kubernetes.waiting import Limits
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE, Object

KINDS = ("machines", "machinedeployments")
_PAUSE = 0.05


@dataclass
class Provider:
    """A group of machines in the namespace of one test, and who plays its controllers."""

    world: ClusterWorld
    births: bool = True
    """Whether machines that are made become nodes."""
    set_uid: str = "uid-set"
    _made: int = 0
    _nodes: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> MachineGroupId:
        """What the estate calls it."""
        return MachineGroupId(f"{CLUSTER}.{self.world.namespace}.workers.gpu")

    @property
    def path(self) -> str:
        """Where it is."""
        return resources.CAPI_GROUPS.path(self.world.namespace, "gpu")

    def facts(self) -> Facts:
        """The facts of the test's cluster, the group among them."""
        return self.world.facts().model_copy(update={"pools": (pooled.pool(id=self.group),)})

    def target(self, limits: Limits = QUICK) -> KubernetesTarget:
        """Hands on the cluster."""
        return KubernetesTarget({CLUSTER: self.world.connection}, self.facts, limits)

    async def sight(self) -> FrozenEstate:
        """The group and the nodes, as a live read sees them."""
        things = [Thing(kind=ThingKind.NODE, id=n) for n in self.world.nodes]
        things.append(Thing(kind=ThingKind.MACHINE_GROUP, id=self.group))
        wanted = [Condition(about=t, uid=Uid("any"), field=Field.BINDINGS, equals=()) for t in things]
        return await Reach({CLUSTER: self.world.connection}, self.facts).sight(wanted)

    async def start(self, wanted: int) -> None:
        """The group with so many machines that work; its replicas are handed over."""
        raw = companions.group("gpu", wanted=wanted, space=self.world.namespace)
        body: Object = {
            "apiVersion": resources.CAPI_GROUPS.api_version,
            "kind": resources.CAPI_GROUPS.kind,
            "metadata": {"name": "gpu", "namespace": self.world.namespace},
            "spec": raw["spec"],
        }
        await self.world.apply(self.path, body, "tenant")
        await self.world.apply(self.path, body | {"spec": {"replicas": wanted}}, "placet")
        del body["spec"]["replicas"]
        await self.world.apply(self.path, body, "tenant")
        await until(self.sized, lambda seen: seen == (wanted, wanted))

    async def sized(self) -> tuple[int, int]:
        """How many machines are wanted, and how many work."""
        raw = await self.world.ask("GET", self.path)
        return raw["spec"]["replicas"], (raw.get("status") or {}).get("readyReplicas", 0)

    async def machines(self) -> list[Object]:
        """All there are, the oldest first."""
        answer = await self.world.ask("GET", resources.CAPI_MACHINES.path(self.world.namespace))
        return sorted(answer["items"], key=lambda m: int(m["metadata"]["name"].rpartition("-")[2]))

    async def patch(self, name: str, change: Any) -> None:
        """Somebody changes a machine."""
        path = resources.CAPI_MACHINES.path(self.world.namespace, name)
        await self.world.ask("PATCH", path, change, content_type=MERGE)

    async def play(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(PlacetError):  # the next look is another one
                await self._step()
            await asyncio.sleep(_PAUSE)

    async def _step(self) -> None:
        raw = await self.world.ask("GET", self.path)
        wanted, here = raw["spec"].get("replicas", 1), await self.machines()
        for _ in range(wanted - len(here)):
            await self._make()
        leaving = sorted(here, key=lambda m: LEAVES not in (m["metadata"].get("annotations") or {}))
        for machine in leaving[: max(len(here) - wanted, 0)]:
            await self._take(machine["metadata"]["name"])
        here = await self.machines()
        work = sum(1 for m in here if (m.get("status") or {}).get("nodeRef"))
        status = {"replicas": len(here), "readyReplicas": work, "upToDateReplicas": len(here)}
        status |= {"observedGeneration": raw["metadata"]["generation"]}
        if {k: (raw.get("status") or {}).get(k) for k in status} != status:
            await self.world.ask("PATCH", f"{self.path}/status", {"status": status}, content_type=MERGE)

    async def _make(self) -> None:
        self._made += 1
        name = f"gpu-{self._made}"
        node = await self.world.node(f"m{self._made}") if self.births else None
        provider = f"test://{self.world.namespace}/{name}"
        raw = companions.machine(name, node=str(node or ""), space=self.world.namespace, provider=provider)
        about = {"name": name, "labels": {"cluster.x-k8s.io/deployment-name": "gpu"}}
        owner = {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineSet", "name": "gpu-1", "uid": self.set_uid}
        path = resources.CAPI_MACHINES.path(self.world.namespace)
        body = {"apiVersion": owner["apiVersion"], "kind": "Machine", "metadata": about | {"ownerReferences": [owner]}}
        await self.world.ask("POST", path, body | {"spec": raw["spec"]})
        if node is not None:
            self._nodes[name] = str(node)
            await self.world.ask(
                "PATCH", resources.NODES.path(name=str(node)), {"spec": {"providerID": provider}}, content_type=MERGE
            )
            await self.world.ask("PATCH", f"{path}/{name}/status", {"status": raw["status"]}, content_type=MERGE)

    async def _take(self, name: str) -> None:
        await self.world.ask("DELETE", resources.CAPI_MACHINES.path(self.world.namespace, name))
        if (node := self._nodes.pop(name, "")) and node in self.world.nodes:
            await self.world.ask("DELETE", resources.NODES.path(name=node))
            self.world.nodes.remove(node)


@asynccontextmanager
async def kinds_in(plane: ControlPlane) -> AsyncIterator[None]:
    """While inside, the cluster serves Cluster API's kinds."""
    forms = definitions.forms(*(definitions.find() / f"cluster.x-k8s.io_{kind}.yaml" for kind in KINDS))
    async with plane.client() as api:
        await definitions.install(api, forms)
        yield
        await definitions.remove(api, forms)


@asynccontextmanager
async def provider_in(world: ClusterWorld, wanted: int = 3) -> AsyncIterator[Provider]:
    """A group with so many machines that work, and its provider at play."""
    made = Provider(world)
    playing = asyncio.create_task(made.play(), name="provider")
    try:
        await made.start(wanted)
        yield made
    finally:
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        await world.ask("DELETE", made.path)
        for machine in await made.machines():
            await world.ask("DELETE", resources.CAPI_MACHINES.path(world.namespace, machine["metadata"]["name"]))
