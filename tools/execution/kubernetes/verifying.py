"""Whether a cluster shows what was written: one live read, and a watch of what the conditions speak of until it does.

Called by `target` for the executor's verification. The watches begin with what is there, so that nothing that happened
since the first read is missed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from estate import manifests, pooling
from estate.conditions import Condition, Field, Miss, misses
from estate.ids import MachineGroupId, NodeId, WorkloadId
from estate.things import Thing, ThingKind
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.watching import Since
from tools.kubernetes import resources


async def verified(means: Means, conditions: Sequence[Condition], seconds: float) -> tuple[Miss, ...]:
    """Those that still do not hold when all do or the time is up. Raises as a live read does."""

    async def look() -> tuple[Miss, ...]:
        return misses(await means.reach.sight(conditions), conditions)

    if not (missed := await look()):
        return ()
    told = dict.fromkeys((c.about, c.field) for c in conditions)
    since = [s for about, field in told async for s in _since(means.reach, about, field)]
    deadline = means.limits.deadline(seconds)
    return await deadline.until(look, lambda found: not found, lambda _: since) if since else missed


async def _since(reach: Reach, about: Thing, field: Field) -> AsyncIterator[Since]:
    """What to watch for another answer about that thing, as narrow as selectors allow."""
    match about.kind:
        case ThingKind.NODE:
            node = await reach.node(NodeId(about.id))
            if node is not None and field is Field.BINDINGS:
                yield Since(node.connection, resources.PODS, fields=f"spec.nodeName={node.address.name}")
            elif node is not None:
                yield Since.of(node.connection, resources.NODES, "", node.address.name)
        case ThingKind.WORKLOAD | ThingKind.RESIDENT:
            place = reach.place(WorkloadId(about.id.partition("@")[0]))
            if place is not None:
                connection = await reach.connection(place.cluster)
                yield Since(connection, resources.PODS, place.namespace)
                if place.resource is not None:
                    yield Since.of(connection, place.resource, place.namespace, place.name)
        case ThingKind.MACHINE_GROUP:
            home = pooling.home(MachineGroupId(about.id))
            group = await reach.group(home) if home is not None else None
            if group is not None:
                at = group.address
                yield Since.of(group.connection, at.resource, at.namespace, at.name)
        case ThingKind.OBJECT:
            address = manifests.Address.parse(about.id)
            if address is not None:
                at = reach.address(address)
                yield Since.of(await reach.connection(address.cluster), at.resource, at.namespace, at.name)
        case _:
            return
