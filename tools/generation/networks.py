"""The fabrics of a generated estate: rails and spines for RDMA, leaves for data, lines between sites, and storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, groupby

from estate.fabrics.links import End, Fabric, FabricSort, Link, NvlinkDomain, Switch, Tier
from estate.fabrics.storage import Storage, StorageSort
from estate.ids import ClusterId, FabricId, LinkId, NvlinkDomainId, RowId, SiteId, StorageId, SwitchId
from estate.itemkinds import State
from estate.items import Item
from estate.machines import LinkState
from estate.references import Ref
from estate.units import Mebibytes, MegabitsPerSecond, MegabytesPerSecond, Milliseconds
from tools.generation.layouts import Layout, Planned
from tools.generation.machinery import RAILS, domain_of

SPINES = 4
_FAST, _WAN = MegabitsPerSecond(800_000), MegabitsPerSecond(100_000)


def networks(layout: Layout) -> Iterator[Item]:
    """Everything that connects, site by site, and the lines between sites."""
    for site in layout.facts.site:
        here = layout.at(site)
        yield from _rdma(layout, site, here)
        yield from _data(layout, site, here)
        yield _storage(site, layout.clusters_at(site))
    yield from _domains(layout.racks)
    yield from _lines(layout)


def _rdma(layout: Layout, site: SiteId, here: Sequence[Planned]) -> Iterator[Item]:
    """Rail-optimised: in each row a leaf for each rail, each on every spine."""
    fabric, draw = FabricId(f"{site}-rdma"), layout.draw(f"rdma/{site}")
    technology = draw.choice(("infiniband-ndr", "roce"))
    yield Fabric(id=fabric, sort=FabricSort.RDMA, technology=technology, site=site, rails=RAILS)
    spines = [SwitchId(f"{site}-spine{n}") for n in range(SPINES)]
    for spine in spines:
        yield Switch(id=spine, fabric=fabric, tier=Tier.SPINE, state=State.OK)
    for row in dict.fromkeys(p.row for p in here):
        for rail in range(RAILS):
            leaf = SwitchId(f"{row}-rail{rail}")
            yield Switch(id=leaf, fabric=fabric, tier=Tier.LEAF, rail=rail, row=RowId(row), state=State.OK)
            for spine in spines:
                used = MegabitsPerSecond(draw.randrange(_FAST // 2))
                yield _link(fabric, Ref("switch", leaf), Ref("switch", spine), _FAST, used)


def _data(layout: Layout, site: SiteId, here: Sequence[Planned]) -> Iterator[Item]:
    """A leaf in each rack, each on both border switches."""
    fabric, draw = FabricId(f"{site}-data"), layout.draw(f"data/{site}")
    yield Fabric(id=fabric, sort=FabricSort.DATA, technology="ethernet", site=site)
    borders = [SwitchId(f"{site}-border{n}") for n in range(2)]
    for border in borders:
        yield Switch(id=border, fabric=fabric, tier=Tier.BORDER, state=State.OK)
    for plan in here:
        leaf = SwitchId(f"{plan.id}-tor")
        yield Switch(id=leaf, fabric=fabric, tier=Tier.LEAF, rack=plan.id, row=RowId(plan.row), state=State.OK)
        for border in borders:
            used = MegabitsPerSecond(draw.randrange(_WAN))
            yield _link(fabric, Ref("switch", leaf), Ref("switch", border), MegabitsPerSecond(400_000), used)


def _storage(site: SiteId, clusters: tuple[ClusterId, ...]) -> Storage:
    return Storage(
        id=StorageId(f"{site}-parallel"),
        site=site,
        sort=StorageSort.PARALLEL,
        name="parallel",
        clusters=clusters,
        fabric=FabricId(f"{site}-data"),
        mebibytes=Mebibytes(10_000_000_000),
        read=MegabytesPerSecond(400_000),
        written=MegabytesPerSecond(200_000),
        encrypted=True,
        state=State.OK,
    )


def _domains(planned: Sequence[Planned]) -> Iterator[NvlinkDomain]:
    for plan in planned:
        homes = sorted(domain_of(plan, n) for n in plan.nodes)
        for name, members in groupby(homes):
            if name:
                yield NvlinkDomain(
                    id=NvlinkDomainId(name),
                    per_accelerator=plan.product.linked,
                    size=plan.product.devices * len(list(members)),
                    state=LinkState.UP,
                )


def _lines(layout: Layout) -> Iterator[Item]:
    """A line between each two sites."""
    pairs = list(combinations(layout.facts.site, 2))
    if pairs:
        yield Fabric(id=FabricId("wan"), sort=FabricSort.WAN, technology="dwdm")
    draw = layout.draw("wan")
    for one, other in pairs:
        used, latency = MegabitsPerSecond(draw.randrange(_WAN)), Milliseconds(draw.randrange(4, 90))
        line = _link(FabricId("wan"), Ref("site", one), Ref("site", other), _WAN, used)
        yield line.model_copy(update={"latency": latency, "provider": draw.choice(("carrier-a", "carrier-b"))})


def _link(fabric: FabricId, one: Ref, other: Ref, capacity: MegabitsPerSecond, used: MegabitsPerSecond) -> Link:
    return Link(
        id=LinkId(f"{fabric}.{one.id}.{other.id}"),
        fabric=fabric,
        ends=(End(of=one), End(of=other)),
        capacity=capacity,
        used=used,
        state=LinkState.UP,
        errors=0,
    )
