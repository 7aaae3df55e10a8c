"""How large a generated estate is, where nothing but that is given, and the names that come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from estate.errors import BadInput
from estate.ids import ClusterId, SiteId
from tools.generation import layouts, naming
from tools.generation.layouts import Odds, Planned
from tools.generation.products import PRODUCTS

_MOST_SITES, _MOST_RACKS, _MOST_TENANTS = 26, 5_000, 200


@dataclass(frozen=True, slots=True)
class Size:
    """What somebody asks for. `racks` are those of each site."""

    sites: int
    racks: int
    seed: int
    valid_until: datetime
    tenants: int = 8
    odds: Odds = field(default_factory=Odds)

    def __post_init__(self) -> None:
        bounds = (("sites", _MOST_SITES), ("racks", _MOST_RACKS), ("tenants", _MOST_TENANTS))
        for name, most in bounds:
            if not 1 <= (found := getattr(self, name)) <= most:
                raise BadInput(f"{name}: `{found}` is not between 1 and {most}; choose one that is")

    def draw(self, part: str) -> Random:
        """Random numbers of that part's own."""
        return layouts.draw(self.seed, part)

    def site_names(self) -> list[SiteId]:
        """`s1`, `s2`, …"""
        return [SiteId(f"s{n}") for n in range(1, self.sites + 1)]

    def planned(self) -> Iterator[Planned]:
        """Every rack with what is in it, site by site."""
        for site in self.site_names():
            draw = self.draw(f"racks/{site}")
            chosen = draw.choices(PRODUCTS, [p.share for p in PRODUCTS], k=self.racks)
            for number, product in enumerate(chosen, start=1):
                rack = naming.rack(site, number)
                nodes = naming.nodes(rack, product.nodes_per_rack)
                yield Planned(site, cluster_of(site), number, product, rack, nodes)


def cluster_of(site: SiteId) -> ClusterId:
    """A site has one cluster."""
    return ClusterId(f"{site}-k1")
