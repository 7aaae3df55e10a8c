"""What an API server showed, from the first to the last: every state of every pod, and what was written by whom.

Nothing of it comes from Placet. A pod counts as available where it is Ready and nobody deletes it: as a disruption
budget counts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from estate.errors import RetryLater
from estate.workloads import Workload
from policies.admission import identities
from tests.crash.grounds import BY_EVICTION, Ground, path_of, resource_of
from tests.crash.supervision import SELDOM, until
from tools.controlplane import auditing, objects
from tools.controlplane.auditing import Request
from tools.kubernetes import resources
from tools.kubernetes.connecting import Access, Connection, Object

WARRANT = "placet.dev/warrant"


@dataclass(slots=True)
class Sightings:
    """All that is seen of one cluster while it is watched."""

    at: Ground
    connection: Connection
    audited: int
    """So many lines of the audit log are older."""
    generations: dict[str, int]
    """Of each controller, at the start."""
    pods: dict[str, Object] = field(default_factory=dict)
    lowest: Counter[str] = field(default_factory=Counter)
    """The fewest pods of each workload that were available at any moment."""
    version: str = ""

    async def look(self) -> None:
        """All pods as they are now, where a watch can begin."""
        answer = await self.connection.request("GET", resources.PODS.path())
        self.version = answer["metadata"]["resourceVersion"]
        self.pods = {p["metadata"]["uid"]: p for p in answer["items"]}
        self.lowest = self.available()

    async def watch(self) -> None:
        """Every change from there on, without a gap, over the API server's own death too."""
        while True:
            try:
                query = {"resourceVersion": self.version}
                async for event in self.connection.watch(resources.PODS.path(), query):
                    self._saw(event.type, event.object)
            except RetryLater:
                await asyncio.sleep(0.1)

    async def caught_up(self) -> bool | None:
        """Whether all has been seen that the API server has now."""
        now = (await self.connection.request("GET", resources.PODS.path()))["items"]
        return {_version(p) for p in now} == {_version(p) for p in self.pods.values()} or None

    def available(self) -> Counter[str]:
        """The available pods of each workload now."""
        return Counter(_app(p) for p in self.pods.values() if _available(p))

    def nodes_of(self, app: str) -> list[str]:
        """Where the pods of a workload are now, sorted."""
        return sorted(p["spec"].get("nodeName", "") for p in self.pods.values() if _app(p) == app)

    def written(self) -> list[Request]:
        """What our writer asked to be changed since the start, dry runs aside."""
        return auditing.writes(self.at.plane.audit_log, identities.username(identities.WRITER))[self.audited :]

    def _saw(self, kind: str, pod: Object) -> None:
        self.version = pod["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self.pods.pop(pod["metadata"]["uid"], None)
        else:
            self.pods[pod["metadata"]["uid"]] = pod
        now = self.available()
        self.lowest = Counter({app: min(low, now[app]) for app, low in self.lowest.items()})


@asynccontextmanager
async def sighted(at: Ground) -> AsyncIterator[Sightings]:
    """Watch a cluster for the length of a block."""
    async with await Connection.open(Access(at.plane.kubeconfig)) as connection:
        older = len(auditing.writes(at.plane.audit_log, identities.username(identities.WRITER)))
        generations = {w.name: (await at.ask("GET", path_of(w)))["metadata"]["generation"] for w in at.world.workloads}
        sightings = Sightings(at, connection, older, generations)
        await sightings.look()
        watching = asyncio.create_task(sightings.watch(), name=f"watch the pods of {at.id}")
        try:
            yield sightings
            assert not watching.done(), watching.exception()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def cluster_is_right(seen: Sightings) -> None:
    """Fenced, moved, each thing written once, and at no moment fewer pods than were promised."""
    await until(seen.caught_up, "the watch to have seen everything", every=SELDOM)
    at, failing = seen.at, seen.at.failing.name
    node = await at.ask("GET", f"/api/v1/nodes/{failing}")
    assert node["spec"]["unschedulable"] is True, "the fence stays: the device is still gone"
    assert node["metadata"]["annotations"][WARRANT].count(":do") == 1
    for workload in at.world.workloads:
        name, promised = workload.name, workload.contract.min_available
        assert failing not in seen.nodes_of(name), f"`{name}` still runs on {failing}"
        served, nodes = seen.available()[name], seen.nodes_of(name)
        assert served == len(nodes) == workload.replicas, f"{served} pods of `{name}` serve, on {nodes}"
        assert seen.lowest[name] >= promised, f"`{name}` had {seen.lowest[name]} of {promised} pods at some moment"
        assert seen.lowest[name] < workload.replicas, "its pods leave one at a time, which the watch must show"
        await _moved_once(seen, workload)
    done = [r for r in seen.written() if r.status < 300]
    # An eviction whose answer was lost is asked for again, and of a pod that is ending already it is granted again.
    written = Counter(r.resource for r in done)
    written["pods/eviction"] = len({r.name for r in done if r.resource == "pods/eviction"})
    assert written == {"nodes": 1, **_writes(seen)}, f"the fence, the moves, one eviction, not {written}"


def _writes(seen: Sightings) -> Counter[str]:
    """What moves of one replica write.

    Where the controller rolls by itself: which pods stop first (those on the nodes that are filled again), and the
    placement. Else: a placement, an eviction, and the last placement, which is the first one where the replica joins
    another of its own on a node.
    """
    written: Counter[str] = Counter()
    for workload in seen.at.world.workloads:
        by_eviction = workload.name == BY_EVICTION
        again = by_eviction and len(set(seen.nodes_of(workload.name))) == workload.replicas
        told = {"pods/eviction": 1} if by_eviction else {"pods": workload.replicas - 1}
        written += Counter({resource_of(workload).plural: 1 + again, **told})
    return written


async def _moved_once(seen: Sightings, workload: Workload) -> None:
    name, at = workload.name, seen.at
    about = (await at.ask("GET", path_of(workload)))["metadata"]
    writes = _writes(seen)[resource_of(workload).plural]
    assert about["generation"] == seen.generations[name] + writes, f"`{name}` was written again"
    assert about["annotations"][WARRANT].count(":do") == 1
    if name != BY_EVICTION:
        sets = (await at.ask("GET", resources.REPLICA_SETS.path(workload.namespace)))["items"]
        mine = [s["metadata"]["name"] for s in sets if s["metadata"]["labels"][objects.APP] == name]
        assert len(mine) == 2, f"`{name}` was rolled out once: {mine}"


async def pod_gone(seen: Sightings, workload: str) -> None:
    """Until a move of the workload has begun: the first of its pods has gone, and none came in its place yet."""
    replicas = next(w.replicas for w in seen.at.world.workloads if w.name == workload)

    async def begun() -> bool | None:
        return seen.available()[workload] < replicas or None

    await until(begun, f"the first pod of `{workload}` to go")


def _available(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _app(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(objects.APP, ""))


def _version(pod: Object) -> str:
    return str(pod["metadata"]["resourceVersion"])
