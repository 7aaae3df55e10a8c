"""What no cluster can hold: a power cap, which is the machine's, and a reservation, which is Placet's own."""

from __future__ import annotations

from estate.changes import ReleaseCapacity, ReserveCapacity, SetPowerCap
from estate.results import Refusal, RefusalCode


def refused(change: SetPowerCap | ReserveCapacity | ReleaseCapacity) -> Refusal:
    """Always, with who could."""
    if isinstance(change, SetPowerCap):
        why = f"Kubernetes knows no power cap, so `{change.node}` was not capped; that needs a facility adapter"
        why += " (Redfish, the rack's controller)"
    else:
        why = f"`{change.target()}` stands in placet's own book and in no cluster; give the executor the book"
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(change.target()), message=why)
