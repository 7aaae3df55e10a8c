"""SetPowerCap on Kubernetes: there is no such field, so the refusal says who could."""

from __future__ import annotations

from estate.changes import SetPowerCap
from estate.results import Refusal, RefusalCode


def refused(change: SetPowerCap) -> Refusal:
    """Always: a cap is set at the machine, not at its cluster."""
    return Refusal(
        code=RefusalCode.NOT_SUPPORTED,
        about=str(change.target()),
        message=f"Kubernetes knows no power cap, so `{change.node}` was not capped; that needs a facility adapter"
        " (Redfish, the rack's controller)",
    )
