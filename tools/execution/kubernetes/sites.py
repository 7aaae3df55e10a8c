"""Where a copy shall be: the cluster, the address and the seats that a `CopyWorkload` names. Read, never written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from estate import names
from estate.changes import CopyWorkload
from estate.changes.kinds import unknown
from estate.ids import ClusterId, WorkloadId
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import owners
from tools.execution.kubernetes.goals import Seats
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.writing import Address
from tools.kubernetes.connecting import Connection


@dataclass(frozen=True, slots=True)
class Site:
    """Where the copy shall be, and what is asked there."""

    about: str
    """The workload that is copied."""
    id: WorkloadId
    cluster: ClusterId
    connection: Connection
    address: Address
    seats: Seats

    @property
    def replicas(self) -> int:
        """How many pods."""
        return self.seats.total()


async def site_of(reach: Reach, change: CopyWorkload) -> Site | Refusal:
    """Where the copy shall be; a refusal where this executor does not write both clusters, or nobody writes the kind.

    Raises:
        Denied: the cluster is another one than facts know.
    """
    about, place = str(change.target()), reach.place(change.workload)
    if refusal := _out_of_reach(reach, change):
        return refusal
    if place is None:
        return unknown(change.target())
    if refusal := owners.unsupported(place.kind, about):
        return refusal
    assert place.resource is not None, "a kind that is supported is read"
    space = change.namespace or place.namespace
    address = Address(place.resource, place.name, space)
    made = names.workload_id(change.to_cluster, space, f"{place.kind}.{place.name}")
    if not made.endswith(f".{place.name}"):
        return refused(about, "would have an id there that is too long to be told of; give it a shorter name")
    connection = await reach.connection(change.to_cluster)
    seats = Counter(b.node for b in change.bindings)
    return Site(about, made, change.to_cluster, connection, address, seats)


def _out_of_reach(reach: Reach, change: CopyWorkload) -> Refusal | None:
    here, there = ClusterId(change.workload.partition(".")[0]), change.to_cluster
    lacking = [cluster for cluster in (here, there) if not reach.holds(cluster)]
    if not lacking:
        return None
    why = (
        f"is copied by an executor that writes both `{here}` and `{there}`, and this one does not write `{lacking[0]}`"
    )
    return refused(str(change.target()), f"{why}; give one executor the credentials of both")


def refused(about: str, why: str) -> Refusal:
    """The refusal of a copy of `about`."""
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` {why}")
