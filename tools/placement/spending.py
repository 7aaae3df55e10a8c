"""What a wish counts towards: quotas, what is used of them without the asked replicas, and what is reserved.

Read once for each wish, as the gate reads it (`policies.quotas`); `constraints.quotas` says what that refuses. Where
nobody above the payer has a quota it costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from estate import reserving
from estate.ids import NodeId
from estate.reserving import Claim
from estate.snapshots import Snapshot
from estate.workloads import Workload
from policies.holdings import Held
from policies.quotas import Books, Bound


@dataclass(frozen=True, slots=True)
class Spending:
    """One bound, and what counts towards it."""

    bound: Bound
    before: Held
    """With what the asked replicas hold now."""
    kept: Held
    """What work holds without them,"""
    claims: tuple[Claim, ...]
    """and what may be claimed beside that."""

    def after(self, devices: int, watts: int, taken: Collection[tuple[NodeId, int]]) -> Held:
        """What is used once so much more is held within it, `taken` among it."""
        claimed = reserving.unclaimed(self.claims, taken) if self.claims else None
        kept, left = self.kept, (0, 0) if claimed is None else (claimed.devices, claimed.watts)
        return Held(kept.devices + devices + left[0], kept.watts + watts + left[1])


def spent(books: Books, snapshot: Snapshot, workload: Workload, asked: tuple[int, ...]) -> tuple[Spending, ...]:
    """By bound. `workload` as it runs, whatever `snapshot` says of it."""
    found = books.bounds(snapshot.facts, workload.tenant)
    if not found:
        return ()
    left = workload.without([b for b in workload.bindings if b.replica in asked])
    known = snapshot.workload(workload.id)
    bare = snapshot if known is not None and known.bindings == left.bindings else snapshot.with_workload(left)
    return tuple(_of(books, snapshot, bare, bound) for bound in found)


def _of(books: Books, snapshot: Snapshot, bare: Snapshot, bound: Bound) -> Spending:
    own = snapshot.facts.tenants_below[bound.tenant]
    claims = reserving.claims(bare, own, bound.quota.site, bound.quota.model)
    kept = books.supposed(snapshot, bare, bound)
    return Spending(bound, books.used(snapshot, bound), kept, tuple(c for c in claims if c[1]))
