"""Changes: the closed union of what Placet can do to an estate.

Each kind is one module with one frozen model that satisfies `kinds.ChangeKind`. To add a kind: write its module and
name it in `Change` below; twin, rehearsal, gate, kernel and CLI take it from there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from estate.changes.cordoning import CordonNode, UncordonNode
from estate.changes.kinds import Footprint, NoInverse
from estate.changes.moving import MoveWorkload, ReplicaMove
from estate.changes.power import SetPowerCap
from estate.changes.scaling import ScaleWorkload

type Change = Annotated[
    CordonNode | UncordonNode | MoveWorkload | ScaleWorkload | SetPowerCap, Field(discriminator="kind")
]

adapter: TypeAdapter[Change] = TypeAdapter(Change)

__all__ = [
    "Change",
    "CordonNode",
    "Footprint",
    "MoveWorkload",
    "NoInverse",
    "ReplicaMove",
    "ScaleWorkload",
    "SetPowerCap",
    "UncordonNode",
    "adapter",
]
