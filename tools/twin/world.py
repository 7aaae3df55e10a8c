"""The asynchronous face of a twin world: what executors write, sources watch, and demos make happen.

`estate.effects.effect` alone says what a change does here. A world has no opinion about the law: it obeys, or
refuses what cannot take effect. Every read is live: it sees what any other process has committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from estate import canonical, pooling
from estate.changes import Change
from estate.conditions import Condition, Miss, misses, told
from estate.effects import effect, written
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.ids import InstallationId, MachineGroupId, NodeId, ObjectId, Uid, WorkloadId
from estate.law import Facts
from estate.objects import MADE
from estate.results import Refusal, RefusalCode
from estate.snapshots import Snapshot, SnapshotVersion
from estate.things import Thing, ThingKind
from estate.uses.clusters import MachineGroup
from estate.workloads import Workload
from tools.twin.faults import Fault
from tools.twin.storage import Changes, Storage, Stored

_TWIN = InstallationId("twin")
_POLL_SECONDS = 0.05


class World:
    """One open twin world. Its snapshots count revisions: version `twin/0.<revision>`."""

    def __init__(self, storage: Storage, facts: Facts) -> None:
        self._storage = storage
        self._revision = 0
        self._wrote = asyncio.Event()  # set once, and replaced, when this process wrote
        self._estate = FrozenEstate(SnapshotVersion(installation=_TWIN, epoch=0, sequence=0), facts).complete()

    @classmethod
    async def open(cls, path: Path, facts: Facts) -> Self:
        """Open the world in that file, made if it is not there.

        Raises:
            BadInput: the file is something else.
            NewerRecord: a newer placet wrote it.
        """
        return cls(await asyncio.to_thread(Storage, path), facts)

    async def close(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._storage.close)

    async def snapshot(self) -> FrozenEstate:
        """The world as it is now, other processes' writes included."""
        return await asyncio.to_thread(self._refreshed)

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """Those conditions that the world as it is now does not meet."""
        return misses(await self.snapshot(), conditions)

    async def dry_run(self, changes: Sequence[Change]) -> Refusal | None:
        """Why these changes in order would be refused now, or None. Writes nothing, meets no injected fault."""
        running: Snapshot = await self.snapshot()
        for change in changes:
            result = effect(change, running)
            if isinstance(result, Refusal):
                return result
            running = result.value
        return None

    async def apply(self, key: str, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
        """Write one change once: checked, played and recorded under `key` in one transaction.

        None: it is done, now or before. Raises RetryLater for an injected passing fault.
        """
        refusal = await asyncio.to_thread(self._apply, key, change, preconditions)
        self._wake()
        return refusal

    async def changes(self, after: int = 0) -> Changes:
        """What changed after that revision, each thing at its newest."""
        return await asyncio.to_thread(self._storage.changes, after)

    async def watch(self, after: int = 0, every: float = _POLL_SECONDS) -> AsyncIterator[Changes]:
        """First everything after that revision (even if empty), then each later batch, until closed.

        What this process writes is seen at once, what others write after `every` seconds.
        """
        wrote, found = self._wrote, await self.changes(after)
        yield found
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(wrote.wait(), every)
            wrote, found = self._wrote, await self.changes(found.revision)
            if not found.empty:
                yield found

    async def inject(self, about: str, change: str, message: str, *, times: int = 1, passing: bool = False) -> None:
        """Let the next `times` writes of that kind of change to that target (`workload/a-serve`) fail."""
        fault = Fault(about=about, change=change, message=message, passing=passing)
        await self._write(lambda: self._storage.add_fault(fault, times))

    async def seed(
        self, nodes: Sequence[Node], workloads: Sequence[Workload], groups: Sequence[MachineGroup] = ()
    ) -> bool:
        """Put these things into an empty world, at one revision; False (and nothing done) where it has begun.

        Of several processes that open one new world, one seeds it.
        """
        return await asyncio.to_thread(self._seeded, nodes, workloads, groups)

    async def set_node(self, node: Node) -> None:
        """A node appears, or changes into this."""
        await self._write(lambda: self._storage.put(node))

    async def remove_node(self, node: NodeId) -> None:
        """A node leaves the cluster."""
        await self._write(lambda: self._storage.remove(ThingKind.NODE.value, node))

    async def start_workload(self, workload: Workload) -> None:
        """Somebody starts (or replaces) a workload without asking Placet."""
        await self._write(lambda: self._storage.put(workload))

    async def stop_workload(self, workload: WorkloadId) -> None:
        """Somebody removes a workload without asking Placet."""
        await self._write(lambda: self._storage.remove(ThingKind.WORKLOAD.value, workload))

    async def fail_accelerator(self, node: NodeId, index: int, health: Health = Health.FAILED) -> None:
        """One device of a node fails (or gets another health).

        Raises:
            BadInput: no such device.
        """
        await asyncio.to_thread(self._set_device_health, node, index, health)
        self._wake()

    async def _write(self, write: Callable[[], object]) -> None:
        await asyncio.to_thread(self._written, write)
        self._wake()

    def _wake(self) -> None:
        self._wrote, wrote = asyncio.Event(), self._wrote
        wrote.set()

    def _written(self, write: Callable[[], object]) -> None:
        with self._storage.writing():
            write()

    def _seeded(self, nodes: Sequence[Node], workloads: Sequence[Workload], groups: Sequence[MachineGroup]) -> bool:
        with self._storage.writing():
            if self._storage.revision():
                return False
            self._storage.put(*nodes, *workloads, *groups)
            return True

    def _refreshed(self) -> FrozenEstate:
        with self._storage.alone():
            found = self._storage.changes(self._revision)
            if not found.empty:
                self._estate = _changed(self._estate, found)
                self._revision = found.revision
            return self._estate

    def _apply(self, key: str, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
        with self._storage.writing():
            if self._storage.was_applied(key):
                return None
            if fault := self._storage.take_fault(*Fault.key_of(change)):
                used = fault
            else:
                return self._play(key, change, preconditions)
        return used.refusal()

    def _play(self, key: str, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
        before = self._refreshed()
        if missed := misses(before, preconditions):
            return _unmet(missed[0])
        result = effect(change, before)
        if isinstance(result, Refusal):
            return result
        things = {named: _thing(result.value, named, key) for named in written(change, before)}
        self._storage.put(*(t for t in things.values() if t is not None))
        for named in (n for n, thing in things.items() if thing is None):
            self._storage.remove(named.kind.value, named.id)
        self._storage.mark_applied(key)
        return None

    def _set_device_health(self, node: NodeId, index: int, health: Health) -> None:
        with self._storage.writing():
            found = self._refreshed().node(node)
            if found is None or index not in {a.index for a in found.accelerators}:
                raise BadInput(f"`{node}` has no accelerator {index}; see `placet get nodes`")
            devices = tuple(
                a.model_copy(update={"health": health}) if a.index == index else a for a in found.accelerators
            )
            self._storage.put(found.model_copy(update={"accelerators": devices}))


def _changed(estate: FrozenEstate, found: Changes) -> FrozenEstate:
    for node in found.nodes:
        estate = estate.with_node(node)
    for workload in found.workloads:
        estate = estate.with_workload(workload)
    for seen in found.objects:
        estate = estate.with_object(seen)
    for group in found.groups:
        estate = estate.with_stock(estate.stock.with_(group))
    for gone in found.removed_nodes:
        estate = estate.without_node(gone)
    for stopped in found.removed_workloads:
        estate = estate.without_workload(stopped)
    return estate.at(estate.version.model_copy(update={"sequence": found.revision}))


def _thing(after: Snapshot, named: Thing, key: str) -> Stored | None:
    """One thing that a change wrote, as it is afterwards; None where it is gone. What was made gets a uid here."""
    thing: Stored | None
    match named.kind:
        case ThingKind.NODE:
            thing = after.node(NodeId(named.id))
        case ThingKind.OBJECT:
            thing = after.object(ObjectId(named.id))
        case ThingKind.MACHINE_GROUP:
            thing = _provided(pooling.found(after, MachineGroupId(named.id)))
        case _:
            thing = after.workload(WorkloadId(named.id))
            if thing is not None and thing.uid == MADE:
                thing = thing.model_copy(update={"uid": Uid(f"twin-{canonical.digest(key.encode())[7:39]}")})
    return thing


def _provided(group: MachineGroup | None) -> MachineGroup | None:
    """A twin is its own provider: what was ordered is there at once, as machines; whoever wants nodes sets them."""
    return None if group is None else group.model_copy(update={"ready": group.wanted, "updated": group.wanted})


def _unmet(miss: Miss) -> Refusal:
    condition = miss.condition
    found, read = told(condition, miss.found), told(condition, condition.equals)
    replaced = miss.fault.startswith("was replaced")
    return Refusal(
        code=RefusalCode.UID_CHANGED if replaced else RefusalCode.PRECONDITION_FAILED,
        about=str(condition.about),
        message=f"`{condition.about}` {condition.field.value} {miss.fault}: `{found}` where the decision read"
        f" `{read}`; decide again on a newer snapshot",
    )
