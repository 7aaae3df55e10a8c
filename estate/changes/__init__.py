"""Changes: the closed union of what Placet can do to an estate.

Each kind is a frozen model that satisfies `kinds.ChangeKind`. To add one: write its module, name it in `Change` below,
and name it under its group in `policies/rules/schema.cedarschema` (an unnamed kind is permitted by nothing). Twin,
rehearsal, gate, kernel and CLI take it from there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from estate.changes.applying import ApplyManifest, DeleteObject
from estate.changes.copying import CopyWorkload
from estate.changes.cordoning import CordonNode, UncordonNode
from estate.changes.draining import DrainNode
from estate.changes.evicting import EvictPod
from estate.changes.kinds import Footprint, NoInverse
from estate.changes.moving import MoveWorkload, ReplicaMove
from estate.changes.power import SetPowerCap
from estate.changes.removing import RemoveWorkload
from estate.changes.repartitioning import RepartitionAccelerator
from estate.changes.reserving import ReleaseCapacity, ReserveCapacity
from estate.changes.resizing import ScaleMachineGroup
from estate.changes.scaling import ScaleWorkload
from estate.changes.tainting import TaintNode, UntaintNode

type Change = Annotated[
    CordonNode
    | UncordonNode
    | TaintNode
    | UntaintNode
    | EvictPod
    | DrainNode
    | MoveWorkload
    | CopyWorkload
    | RemoveWorkload
    | ScaleWorkload
    | SetPowerCap
    | RepartitionAccelerator
    | ApplyManifest
    | DeleteObject
    | ReserveCapacity
    | ReleaseCapacity
    | ScaleMachineGroup,
    Field(discriminator="kind"),
]

adapter: TypeAdapter[Change] = TypeAdapter(Change)

__all__ = [
    "ApplyManifest",
    "Change",
    "CopyWorkload",
    "CordonNode",
    "DeleteObject",
    "DrainNode",
    "EvictPod",
    "Footprint",
    "MoveWorkload",
    "NoInverse",
    "ReleaseCapacity",
    "RemoveWorkload",
    "RepartitionAccelerator",
    "ReplicaMove",
    "ReserveCapacity",
    "ScaleMachineGroup",
    "ScaleWorkload",
    "SetPowerCap",
    "TaintNode",
    "UncordonNode",
    "UntaintNode",
    "adapter",
]
