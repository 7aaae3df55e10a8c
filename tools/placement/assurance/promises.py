"""Whose work is promised: what must run again elsewhere when its place is lost. Pure.

A workload is promised where its contract keeps replicas available, or where a contract that still holds stands for it.
All else takes its chance.
"""

from __future__ import annotations

from datetime import datetime

from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.promises import Contract
from estate.workloads import Workload


def promised(snapshot: Snapshot, workload: Workload, now: datetime | None = None) -> bool:
    """Whether somebody was promised that it runs. Without `now` no contract has ended."""
    return workload.contract.min_available > 0 or any(
        isinstance(item := snapshot.stock.get(ref), Contract) and _holds(item, now)
        for ref in snapshot.stock.naming(Ref("workload", workload.id))
        if ref.kind == "contract"
    )


def _holds(contract: Contract, now: datetime | None) -> bool:
    return now is None or contract.valid_until is None or contract.valid_until > now
