"""How large a generated estate is, and the names and draws that all its parts share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

from estate.errors import BadInput
from estate.ids import ClusterId, RackId, SiteId
from tools.generation.products import PRODUCTS, Product

RACKS_PER_ROW = 10
_MOST_SITES, _MOST_RACKS, _MOST_TENANTS = 26, 5_000, 200


@dataclass(frozen=True, slots=True)
class Size:
    """What somebody asks for. `racks` are those of each site; `busy` is the share of machines that work, per mille."""

    sites: int
    racks: int
    seed: int
    valid_until: datetime
    tenants: int = 8
    busy: int = 600

    def __post_init__(self) -> None:
        bounds = (("sites", _MOST_SITES), ("racks", _MOST_RACKS), ("tenants", _MOST_TENANTS))
        for field, most in bounds:
            if not 1 <= (found := getattr(self, field)) <= most:
                raise BadInput(f"{field}: `{found}` is not between 1 and {most}; choose one that is")
        if not 0 <= self.busy <= 1000:
            raise BadInput(f"busy: `{self.busy}` is not a share per mille; choose one between 0 and 1000")

    def draw(self, part: str) -> Random:
        """Random numbers of one part's own, so that another part may change without changing this one."""
        return Random(f"{self.seed}/{part}")  # noqa: S311 - an estate, not a secret

    def site_names(self) -> list[SiteId]:
        """`s1`, `s2`, …"""
        return [SiteId(f"s{n}") for n in range(1, self.sites + 1)]

    def planned(self) -> Iterator[Planned]:
        """Every rack with what is in it, site by site."""
        for site in self.site_names():
            draw = self.draw(f"racks/{site}")
            chosen = draw.choices(PRODUCTS, [p.share for p in PRODUCTS], k=self.racks)
            for number, product in enumerate(chosen, start=1):
                yield Planned(site, number, product)


@dataclass(frozen=True, slots=True)
class Planned:
    """One rack of a site: its number there, and its machines."""

    site: SiteId
    number: int
    product: Product

    @property
    def id(self) -> RackId:
        """`s1-r007`."""
        return RackId(f"{self.site}-r{self.number:03}")

    @property
    def row(self) -> str:
        """`s1-row1`."""
        return f"{self.site}-row{(self.number - 1) // RACKS_PER_ROW + 1}"

    @property
    def node_names(self) -> list[str]:
        """`s1-r007-n01`, …"""
        return [f"{self.id}-n{n:02}" for n in range(1, self.product.nodes_per_rack + 1)]


def cluster_of(site: SiteId) -> ClusterId:
    """A site has one cluster."""
    return ClusterId(f"{site}-k1")
