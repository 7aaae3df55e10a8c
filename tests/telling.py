"""One single fact of each kind, for whatever carries them."""

from __future__ import annotations

from estate.alterations import Alteration, Bound, Capped, Cordoned, DeviceJudged, NodeJudged, Tainted, Unbound
from estate.hardware import Health, Taint, TaintEffect
from estate.ids import NodeId, WorkloadId
from estate.units import Watts
from estate.workloads import Binding

_NODE, _WORK = NodeId("eu-a1"), WorkloadId("a-train")


def all_alterations() -> tuple[Alteration, ...]:
    """Each kind once; of the cap both forms."""
    return (
        Cordoned(_NODE, True),
        Tainted(_NODE, (Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE),)),
        Capped(_NODE, Watts(6_000)),
        Capped(_NODE, None),
        NodeJudged(_NODE, Health.DEGRADED),
        DeviceJudged(_NODE, 3, Health.FAILED),
        Bound(_WORK, Binding(replica=2, node=_NODE, accelerators=(0, 1))),
        Unbound(_WORK, 1),
    )
