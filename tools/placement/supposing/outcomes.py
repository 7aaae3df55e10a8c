"""What would be otherwise if something were so: the answer to a what-if question. Made by `settling`."""

from __future__ import annotations

from estate.ids import NodeId, TenantId, WorkloadId
from estate.records import Model, later


class Unlawful(Model):
    """Replicas that would stand unlawfully where they stand now, and did not before."""

    workload: WorkloadId
    tenant: TenantId
    nodes: tuple[NodeId, ...]
    broken: tuple[str, ...]
    """The dimensions: `geographic`, `legal`, `operational`, `key`, `tenant`, `facts`."""


class Unpowered(Model):
    """Something would draw more than it may, and does not now."""

    of: str
    drawn_watts: int
    budget_watts: int


class Moved(Model):
    """A replica that would run elsewhere."""

    workload: WorkloadId
    replica: int
    source: NodeId | None
    target: NodeId


class Stranded(Model):
    """Replicas that would have no home, with what stands in the way of most nodes and what would help."""

    workload: WorkloadId
    tenant: TenantId
    promised: bool
    replicas: tuple[int, ...]
    reasons: tuple[str, ...]
    nearest: str


class OverQuota(Model):
    """A tenant that would use more than it may, and does not now."""

    tenant: TenantId
    scope: str
    used: int
    quota: int


class Fit(Model):
    """Replicas that wait, and whether they would find a home by themselves, which they do not now or do."""

    workload: WorkloadId
    tenant: TenantId
    replicas: tuple[int, ...]
    fits: bool


class Outcome(Model):
    """What would be otherwise. Empty where nothing would."""

    snapshot: str
    stopped: int
    """Replicas that would stop where they run now."""
    unlawful: tuple[Unlawful, ...]
    unpowered: tuple[Unpowered, ...]
    homeless: tuple[Stranded, ...]
    moved: tuple[Moved, ...]
    over_quota: tuple[OverQuota, ...]
    free_accelerators: int
    """On open, healthy nodes, afterwards."""
    free_accelerators_now: int

    fits: tuple[Fit, ...] = later(())
    """Of whom another quota is supposed: what would fit and does not now, or no longer would."""

    @property
    def harmless(self) -> bool:
        """Whether nobody would be worse off."""
        return not (self.unlawful or self.unpowered or self.homeless or self.over_quota or self.shut_out)

    @property
    def shut_out(self) -> tuple[Fit, ...]:
        """What waits and would no longer fit."""
        return tuple(f for f in self.fits if not f.fits)
