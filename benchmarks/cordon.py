"""A thousand nodes fenced on a real API server through gate, warrant and ledger, beside the same writes by a bare
client.

Both send the same server-side apply from as many tasks, to nodes of the same size, in one run. Ours decides twice,
signs, writes the ledger (SQLite, durable), rehearses by a dry run, reads before it writes, and verifies by another
read. The inventory is played: what was fenced is in the next snapshot.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Figure, figure, hushed, main, percentile
from benchmarks.fleets import fleet
from estate.changes import CordonNode
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.identities import Enrolment, Subject, SubjectKind
from estate.ids import ClusterId, Digest, ExecutorId, IncidentId, InstallationId, KeyId, NodeId, SiteId, TenantId, Uid
from estate.law import Facts
from estate.modes import Freeze, Mode
from estate.outcomes import Ending
from estate.proposals import Lane, Proposal
from estate.results import Ok
from estate.snapshots import Snapshot, SnapshotVersion
from policies.bundle import Bundle
from policies.gate import Gate
from policies.keyrings import KeyRing, StaticRing
from policies.ledger.sqlite import SqliteLedger
from policies.questions import Ratified
from policies.reliefs import Relief
from policies.signing.memory import MemorySigner
from tools.controlplane.launching import controlplane
from tools.execution.authority import Law, Trust
from tools.execution.executor import Executor
from tools.execution.hands import Hands
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.recording import Holder
from tools.kubernetes import resources
from tools.kubernetes.connecting import APPLY, MERGE, Access, Connection

NODES, AT_ONCE = 1_000, 32
RACKS, SEED = 600, 7
"""A site, of which there are two: with a quarter of 2 400 nodes, and one a rack, the breakers leave room for all."""
CLUSTERS = (ClusterId("eu-1"), ClusterId("us-1"))
"""Both are the one API server, each with a connection of its own: nothing but the facts tells them apart."""
EXECUTOR = ExecutorId("executor")
RATIO = "through gate, warrant and ledger, of the bare client"
_BENCH = InstallationId("bench")
_AGENT = Subject(kind=SubjectKind.AGENT, issuer=_BENCH, name="agent")


@dataclass
class Played:
    """The inventory's newest snapshot, which shows every fence once it is verified."""

    estate: FrozenEstate

    def newest(self) -> Snapshot:
        """The newest snapshot."""
        return self.estate

    async def reached(self, version: SnapshotVersion) -> Snapshot:
        """The newest is never behind: the proposals were laid out on the first."""
        return self.estate

    def fenced(self, name: NodeId) -> None:
        """This node is cordoned from now on."""
        node = self.estate.node(name)
        assert node is not None, name
        later = self.estate.version.model_copy(update={"sequence": self.estate.version.sequence + 1})
        self.estate = self.estate.with_node(node.model_copy(update={"cordoned": True})).at(later)


class Automatic:
    """Controls under which no person is asked, and nothing is frozen."""

    def freezes(self, site: SiteId | None, tenants: Iterable[TenantId]) -> tuple[Freeze, ...]:
        """None."""
        return ()

    def mode(self, site: SiteId | None, tenants: Iterable[TenantId]) -> Mode:
        """Automatic everywhere."""
        return Mode.AUTOMATIC

    def reliefs(self, now: datetime) -> tuple[Relief, ...]:
        """None."""
        return ()

    def ratified(self, bundle: Digest, now: datetime) -> Ratified:
        """The benchmark vouches for its rules."""
        return Ratified()


class Nobody:
    """No person is enrolled: a fence needs none."""

    def ring(self) -> KeyRing:
        """No keys."""
        return StaticRing.of()

    def of_key(self, key: KeyId) -> Enrolment | None:
        """Nobody's."""
        return None

    def of_subject(self, subject: Subject) -> tuple[Enrolment, ...]:
        """None."""
        return ()


def measure() -> list[Figure]:
    """Start a control plane, fence, and compare."""
    hushed()
    with tempfile.TemporaryDirectory(prefix="placet-cordon-") as scratch:
        return asyncio.run(_measure(Path(scratch)))


async def _measure(folder: Path) -> list[Figure]:
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controlplane())
        reach = {c: await stack.enter_async_context(await Connection.open(Access(plane.kubeconfig))) for c in CLUSTERS}
        connection = reach[CLUSTERS[0]]
        made, facts = fleet(_now() + timedelta(days=30), RACKS), await _facts(connection)
        names = [n.id for n in made.failing(SEED)[:NODES]]
        bare_names = [f"bare-{number}" for number in range(NODES)]
        uids = dict(zip(names, await _each(names, lambda n: _made(connection, n)), strict=True))
        await _each(bare_names, lambda n: _made(connection, n))
        estate = _estate(facts, uids)
        bare = await _timed(bare_names, lambda n: _bare(connection, n))
        ours, refused = await _ours(folder, reach, estate, names)
        fenced = await _count(connection)
    return [
        figure("nodes fenced by each", NODES, "nodes"),
        figure("fences that did not verify", refused + 2 * NODES - fenced, "nodes", at_most=0),
        figure("bare client, first to last", bare.whole, "s"),
        figure("through gate, warrant and ledger, first to last", ours.whole, "s"),
        figure(RATIO, ours.whole / bare.whole, "×", at_most=1.5),
        *(figure(f"one fence p{p}, {AT_ONCE} at once", percentile(ours.each, p) * 1e3, "ms") for p in (50, 99)),
        *(figure(f"one bare write p{p}, {AT_ONCE} at once", percentile(bare.each, p) * 1e3, "ms") for p in (50, 99)),
    ]


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds: from first to last, and each."""

    whole: float
    each: Sequence[float]


async def _ours(
    folder: Path, reach: Mapping[ClusterId, Connection], estate: FrozenEstate, names: Sequence[NodeId]
) -> tuple[Taken, int]:
    played, refused = Played(estate), 0
    proposals = {n: _proposal(n, estate) for n in names}
    ledger = await SqliteLedger.open(folder / "ledger.db", _BENCH)
    gate, executor = _house(ledger, played, reach)

    async def fence(name: NodeId) -> None:
        nonlocal refused
        answer = await gate.submit(proposals[name])
        assert answer.warrant_envelope is not None, answer.verdict.failures
        outcome = await executor.execute(answer.warrant_envelope)
        refused += outcome.ending is not Ending.VERIFIED
        played.fenced(name)
        await gate.concluded(outcome)

    try:
        return await _timed(names, fence), refused
    finally:
        await ledger.close()


def _house(ledger: SqliteLedger, played: Played, reach: Mapping[ClusterId, Connection]) -> tuple[Gate, Executor]:
    signer, bundle, controls, nobody = MemorySigner.generate(secrets.token_bytes), Bundle.load(), Automatic(), Nobody()
    gate = Gate(
        installation=_BENCH,
        ledger=ledger,
        signer=signer,
        bundle=bundle,
        newest=played.newest,
        controls=controls,
        enrolments=nobody,
        clock=_now,
        entropy=secrets.token_bytes,
        audience=lambda clusters: EXECUTOR,
    )
    keys = StaticRing.of(signer.public_key)
    law = Law.of(Trust(lambda at: keys, ledger, EXECUTOR, _BENCH, bundle, controls, nobody.of_key), _now)
    holder = Holder(EXECUTOR, Subject(kind=SubjectKind.EXECUTOR, issuer=_BENCH, name="executor"), "one")
    hands = Hands(KubernetesTarget(reach, lambda: played.estate.facts), played, _now)
    return gate, Executor(holder, law, hands, ledger, lambda: 1)


async def _facts(connection: Connection) -> Facts:
    """The facts of two large sites, whose clusters are the one at hand."""
    identity = await connection.request("GET", resources.IDENTITY)
    made = fleet(_now() + timedelta(days=30), RACKS).facts
    here = tuple(c.model_copy(update={"uid": Uid(identity["metadata"]["uid"])}) for c in made.clusters)
    return made.model_copy(update={"clusters": here})


def _estate(facts: Facts, uids: dict[NodeId, str]) -> FrozenEstate:
    """Both sites; the nodes to be fenced have the uids that the cluster gave them."""
    version = SnapshotVersion(installation=_BENCH, epoch=1, sequence=1)
    return FrozenEstate.of(version, facts, [_known(n, uids) for n in fleet(facts.valid_until, RACKS).world.nodes])


def _known(node: Node, uids: dict[NodeId, str]) -> Node:
    return node.model_copy(update={"uid": Uid(uids[node.id]), "name": str(node.id)}) if node.id in uids else node


def _proposal(node: NodeId, estate: FrozenEstate) -> Proposal:
    laid = lay_out((CordonNode(node=node, reason="xid 79"),), estate)
    assert isinstance(laid, Ok), laid
    return Proposal(
        installation=_BENCH,
        incident=IncidentId(f"inc-{node}"),
        attempt=1,
        lane=Lane.CONTAINMENT,
        site=SiteId("eu-de" if node.startswith("eu") else "us-east"),
        snapshot=estate.version,
        created_at=_now(),
        proposer=_AGENT,
        summary=f"fence {node}",
        steps=laid.value.steps,
    )


async def _made(connection: Connection, name: str) -> str:
    node = await connection.request("POST", resources.NODES.path(), body={"metadata": {"name": name}})
    amounts = {"cpu": "64", "pods": "110", "nvidia.com/gpu": "8"}
    status = {"status": {"allocatable": amounts, "capacity": amounts}}
    await connection.request("PATCH", f"{resources.NODES.path(name=name)}/status", body=status, content_type=MERGE)
    return str(node["metadata"]["uid"])


async def _bare(connection: Connection, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": True}}
    path = resources.NODES.path(name=name)
    await connection.request("PATCH", path, {"fieldManager": "bare"}, body, content_type=APPLY)


async def _count(connection: Connection) -> int:
    """How many nodes are cordoned in the end, from the API server's own objects."""
    fenced = 0
    async for page in connection.pages(resources.NODES.path()):
        fenced += sum(1 for n in page.items if n["spec"].get("unschedulable"))
    return fenced


async def _timed[Name: str](names: Sequence[Name], write: Callable[[Name], Awaitable[None]]) -> Taken:
    async def one(name: Name) -> float:
        started = time.perf_counter()
        await write(name)
        return time.perf_counter() - started

    started = time.perf_counter()
    each = await _each(names, one)
    return Taken(time.perf_counter() - started, each)


async def _each[Name: str, T](names: Sequence[Name], act: Callable[[Name], Awaitable[T]]) -> list[T]:
    """Act on every name, so many at once."""
    waiting, done = iter(enumerate(names)), dict[int, T]()

    async def worker() -> None:
        for number, name in waiting:
            done[number] = await act(name)

    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(worker(), name=f"worker {number}")
    return [done[n] for n in range(len(names))]


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(any(f.name.startswith("fences that") and f.value for f in main("cordon", measure)))
