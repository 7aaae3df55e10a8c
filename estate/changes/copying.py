"""CopyWorkload: the same work once more, in another cluster, each replica on the node that the plan names.

What is made is another thing, with an id of its own (`estate.names`) and a uid that only its cluster gives. A move
between clusters is a copy, and a `RemoveWorkload` once the copy runs. See `docs/decisions/0016`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field as Range
from pydantic import StringConstraints

from estate import names
from estate.changes.kinds import Footprint, NoInverse, unknown, workload_thing
from estate.changes.removing import RemoveWorkload
from estate.changes.seating import seated
from estate.conditions import Condition, Field, absent, observed
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.objects import MADE
from estate.records import Model
from estate.results import Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing
from estate.workloads import Binding, Workload

if TYPE_CHECKING:
    from estate.changes import Change

type _Namespace = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?)?$")]


class CopyWorkload(Model):
    """Make a workload once more in another cluster; the one here goes on as it is."""

    kind: Literal["CopyWorkload"] = "CopyWorkload"
    workload: WorkloadId
    to_cluster: ClusterId
    namespace: _Namespace = ""
    """The namespace there; empty: that of the same name."""
    bindings: tuple[Binding, ...] = Range(min_length=1)
    """Where each of its replicas shall run."""

    def target(self) -> Thing:
        return workload_thing(self.workload)

    def describe(self) -> str:
        places = ", ".join(sorted({b.node for b in self.bindings}))
        return f"copy {self.workload} to {self.to_cluster}: {len(self.bindings)} replicas on {places}"

    def named(self, workload: Workload) -> WorkloadId:
        """What the copy of `workload` is called."""
        return names.elsewhere(workload, self.to_cluster, self.namespace or workload.namespace)

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        workload = snapshot.workload(self.workload)
        if workload is None:
            return unknown(self.target())
        return self._fault(snapshot, workload) or seated(snapshot, self._made(workload), self.bindings)

    def _made(self, workload: Workload) -> Workload:
        space = self.namespace or workload.namespace
        gangs = tuple(
            g.model_copy(update={"id": names.gang_elsewhere(g.id, workload, self.to_cluster, space)})
            for g in workload.gangs
        )
        there = {"cluster": self.to_cluster, "namespace": space, "gangs": gangs}
        return workload.model_copy(update=there | {"id": self.named(workload), "uid": MADE, "bindings": ()})

    def _fault(self, snapshot: Snapshot, workload: Workload) -> Refusal | None:
        if workload.cluster == self.to_cluster:
            return self._refused(RefusalCode.NOT_SUPPORTED, f"is in cluster `{self.to_cluster}`; use MoveWorkload")
        if sorted(b.replica for b in self.bindings) != list(range(workload.replicas)):
            return self._refused(
                RefusalCode.PRECONDITION_FAILED,
                f"has {workload.replicas} replicas, numbered from 0; place each of them once",
            )
        if snapshot.workload(made := self.named(workload)) is not None:
            return self._refused(
                RefusalCode.PRECONDITION_FAILED, f"would be called `{made}` there, which is there already"
            )
        return None

    def _refused(self, code: RefusalCode, why: str) -> Refusal:
        return Refusal(code=code, about=str(self.target()), message=f"`{self.workload}` {why}")

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """What is copied, and that nothing stands there yet."""
        workload = snapshot.workload(self.workload)
        nothing = (absent(workload_thing(self.named(workload))),) if workload is not None else ()
        return (*observed(snapshot, self.target(), Field.REPLICAS, Field.BINDINGS), *nothing)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        workload = after.workload(self.workload)
        if workload is None:
            return ()
        return observed(after, workload_thing(self.named(workload)), Field.REPLICAS, Field.BINDINGS)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        workload = snapshot.workload(self.workload)
        if workload is None:
            return NoInverse(reason="the workload is unknown")
        if not workload.bindings:
            return NoInverse(reason=f"nothing of `{self.workload}` runs: its copy is all that there is of it")
        return RemoveWorkload(workload=self.named(workload), replaced_by=self.workload)

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        workload = snapshot.workload(self.workload)
        return {self.named(workload): 0} if workload is not None else {}

    def footprint(self, snapshot: Snapshot) -> Footprint:
        workload = snapshot.workload(self.workload)
        return Footprint(
            nodes=tuple(sorted({b.node for b in self.bindings})),
            workloads=tuple(self.disrupts(snapshot)),
            tenants=(workload.tenant,) if workload else (),
        )

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        workload = snapshot.workload(self.workload)
        each = workload.watts_per_accelerator if workload else 0
        wanted: defaultdict[NodeId, int] = defaultdict(int)
        for binding in self.bindings:
            wanted[binding.node] += each * len(binding.accelerators)
        return dict(wanted)
