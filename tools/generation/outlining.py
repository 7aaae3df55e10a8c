"""From a size to a layout: the racks, and the law that is made up for them. Called by `estates`."""

from __future__ import annotations

from collections.abc import Sequence

from estate.law import Facts
from tools.generation import legal, tenancy
from tools.generation.layouts import Layout, Planned
from tools.generation.legal import Ground
from tools.generation.sizes import Size


def outlined(size: Size) -> Layout:
    """The layout of that size and seed."""
    planned, grounds = tuple(size.planned()), tuple(legal.grounds(size))
    return Layout(_facts(size, planned, grounds), planned, size.seed, size.odds)


def _facts(size: Size, planned: Sequence[Planned], grounds: Sequence[Ground]) -> Facts:
    devices = sum(p.product.devices * len(p.nodes) for p in planned)
    owners = (e for g in grounds for e in g.entities)
    bare = Facts(
        version=1,
        author="generator",
        basis=f"made up by `placet estate generate`, seed {size.seed}: nobody's law",
        valid_until=size.valid_until,
        entities=(legal.parent_company(), *owners, *tenancy.organisations(size)),
        sites=tuple(g.site for g in grounds),
        racks=tuple(map(legal.rack, planned)),
        clusters=tuple(g.cluster for g in grounds),
        tenants=tuple(tenancy.tenants(size, devices)),
        datasets=tuple(tenancy.datasets(size)),
    )
    return Facts.read(bare.json_form() | {"tenants": [t.json_form() for t in tenancy.housed(bare, grounds)]})
