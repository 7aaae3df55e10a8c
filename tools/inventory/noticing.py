"""What the writer's onlookers are shown: called by `writer` for every batch, the first estate and new facts. Pure."""

from __future__ import annotations

from estate.frozen import FrozenEstate
from estate.references import Ref
from tools.inventory.claiming.names import Names
from tools.inventory.folding import Folding
from tools.inventory.port import Noticed, Observed


def everything(estate: FrozenEstate) -> Noticed:
    """An estate that is seen for the first time: before it there was nothing."""
    nothing = FrozenEstate(estate.version.model_copy(update={"sequence": 0}), estate.facts)
    return Noticed(
        before=nothing,
        after=estate,
        nodes=tuple(n.id for n in estate.nodes()),
        workloads=tuple(w.id for w in estate.workloads()),
        items=tuple(i.ref for i in estate.stock),
    )


def noticed(before: FrozenEstate, after: FrozenEstate, seen: Observed, folding: Folding, names: Names) -> Noticed:
    """A batch of a source, and what it made of the estate."""
    return Noticed(
        before=before,
        after=after,
        source=seen.source,
        nodes=(*(n.id for n in folding.nodes), *folding.removed_nodes),
        workloads=(*(w.id for w in folding.workloads), *folding.removed_workloads),
        items=(*(i.ref for i in folding.items), *folding.removed_items),
        said=_said(seen),
        heard=seen.heard,
        observations=seen.observations,
        conflicts=folding.conflicts,
        claimed=seen.claimed,
        names=names,
        hands=seen.hands,
    )


def _said(seen: Observed) -> tuple[Ref, ...]:
    return (
        *(Ref("node", n) for n in (*(n.id for n in seen.nodes), *seen.removed_nodes)),
        *(Ref("workload", w) for w in (*(w.id for w in seen.workloads), *seen.removed_workloads)),
        *(i.ref for i in seen.items),
        *seen.removed_items,
    )
