"""What is fixed before anything is made up: the law, every rack with what is in it, and the work that must be there.

Called by all parts of the generator. A layout comes from a size (`outlining`) or from what a person wrote (`plans`);
nothing here is random, but for the draws that each part makes for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random

from estate.errors import BadInput
from estate.ids import ClusterId, NodeId, RackId, SiteId
from estate.law import Facts
from estate.units import Watts
from estate.workloads import Workload
from tools.generation.products import Product

RACKS_PER_ROW = 10
BUDGET_SHARE = 900
"""What a rack may draw, per mille of what its machines could: budgets are oversold, as in life."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How much of what is made up works, and how much is broken: each per mille."""

    busy: int = 600
    """Of machines in racks that no fixed work is in."""
    failed: int = 2
    """Of devices."""
    cordoned: int = 10
    """Of nodes."""

    def __post_init__(self) -> None:
        for field in ("busy", "failed", "cordoned"):
            if not 0 <= (found := getattr(self, field)) <= 1000:
                raise BadInput(f"{field}: `{found}` is not a share per mille; choose one between 0 and 1000")


@dataclass(frozen=True, slots=True)
class Planned:
    """One rack: whose machines are in it, where it stands, and what it may draw."""

    site: SiteId
    cluster: ClusterId
    number: int
    """Of its site, from 1."""
    product: Product
    id: RackId
    nodes: tuple[NodeId, ...]
    budget: Watts | None = None
    """None: the usual share of what its machines could draw."""

    @property
    def row(self) -> str:
        """`s1-row1`."""
        return f"{self.site}-row{(self.number - 1) // RACKS_PER_ROW + 1}"

    @property
    def watts(self) -> Watts:
        """The most that its machines could draw."""
        return Watts(self.product.node_watts * len(self.nodes))

    @property
    def budget_watts(self) -> Watts:
        """What it may draw."""
        return Watts(self.watts * BUDGET_SHARE // 1000) if self.budget is None else self.budget


@dataclass(frozen=True, slots=True)
class Layout:
    """The law, the racks and the fixed work of an estate, and the seed of everything else."""

    facts: Facts
    racks: tuple[Planned, ...]
    seed: int
    odds: Odds
    work: tuple[Workload, ...] = ()
    bare: bool = False
    """Machines as a cluster reports them: without ports, disks, sockets, serials, software, and NVLink within one."""

    @property
    def valid_until(self) -> datetime:
        """When its law ends, and with it everything that is promised."""
        return self.facts.valid_until

    def draw(self, part: str) -> Random:
        """See the function."""
        return draw(self.seed, part)

    def at(self, site: SiteId) -> list[Planned]:
        """The racks of a site."""
        return [p for p in self.racks if p.site == site]

    def clusters_at(self, site: SiteId) -> tuple[ClusterId, ...]:
        """The clusters of a site."""
        return tuple(c.id for c in self.facts.clusters if c.site == site)


def draw(seed: int, part: str) -> Random:
    """Random numbers of one part's own, so that another part may change without changing this one."""
    return Random(f"{seed}/{part}")  # noqa: S311 - an estate, not a secret
