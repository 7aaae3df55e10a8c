"""A whole generated estate: facts, world and items that agree. Called by the CLI, the demo, benchmarks and evals.

What is fixed is a layout (`layouts`): from a size, or from a plan that a person wrote. All the rest is made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from estate.fabrics.storage import Copy
from estate.ids import ClusterId, CopyId, DatasetId, OfferId, PriceId, StorageId, TemplateId, Uid
from estate.itemkinds import State
from estate.items import Item
from estate.law import Facts
from estate.units import MicroUsd
from estate.uses.clusters import ClusterState, Deployed, Revision, Template, TemplateSort
from estate.uses.offers import Offer, Price, Unit
from estate.worlds import EstateFile, World
from policies import sovereignty
from tools.generation import facilities, machinery, networks, seating, working
from tools.generation.layouts import Layout
from tools.generation.outlining import outlined
from tools.generation.products import PRODUCTS
from tools.generation.sizes import Size

_TEMPLATE = TemplateId("gpu-cluster")


@dataclass(frozen=True)
class Generated:
    """What was made: the law, what is observed, and everything else, which is made once somebody asks for it."""

    layout: Layout

    @property
    def facts(self) -> Facts:
        """The law."""
        return self.layout.facts

    @cached_property
    def world(self) -> World:
        """What is observed."""
        nodes = {n.id: n for n in machinery.nodes(self.layout)}
        made = working.workloads(self.layout, seating.seats(self.layout, nodes))
        work = (*self.layout.work, *(working.with_data(self.facts, w) for w in made))
        return World(nodes=tuple(nodes.values()), workloads=work)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Everything else."""
        return (
            *facilities.facilities(self.layout),
            *networks.networks(self.layout),
            *machinery.machines(self.layout),
            *working.promises(self.layout, self.world.workloads),
            *_clusters(self.layout),
            *_copies(self.layout),
            *_prices(self.layout),
        )

    def file(self) -> EstateFile:
        """The items as an estate file."""
        return EstateFile(items=self.items)

    def facts_of(self, cluster: ClusterId, uid: Uid) -> Facts:
        """The facts, where they know that cluster by this uid."""
        clusters = (c.model_copy(update={"uid": uid} if c.id == cluster else {}) for c in self.facts.clusters)
        return Facts.read(self.facts.json_form() | {"clusters": [c.json_form() for c in clusters]})


def generate(asked: Size | Layout) -> Generated:
    """The estate of that size and seed, or around what is laid out."""
    return Generated(outlined(asked) if isinstance(asked, Size) else asked)


def _clusters(layout: Layout) -> Iterator[Item]:
    yield Template(
        id=_TEMPLATE,
        sort=TemplateSort.CLUSTER,
        name="gpu-cluster",
        revisions=(Revision(version="1.4.0", upgrades_to=("1.5.0",)), Revision(version="1.5.0")),
    )
    for cluster in layout.facts.clusters:
        version = layout.draw(f"template/{cluster.site}").choice(("1.4.0", "1.5.0"))
        made_from = Deployed(template=_TEMPLATE, version=version)
        yield ClusterState(id=cluster.id, version="1.36.3", provider="k0rdent", made_from=made_from, state=State.OK)


def _copies(layout: Layout) -> Iterator[Copy]:
    """Each dataset at every site where it may be."""
    for dataset in layout.facts.datasets:
        for site in layout.facts.site:
            reached = (
                sovereignty.exposure_of_tenant(layout.facts, dataset.tenant, c) for c in layout.clusters_at(site)
            )
            if any(all(a.holds for a in exposure) for exposure in reached):
                name, storage = CopyId(f"{dataset.id}.{site}"), StorageId(f"{site}-parallel")
                yield Copy(id=name, dataset=DatasetId(dataset.id), storage=storage, complete=True)


def _prices(layout: Layout) -> Iterator[Item]:
    """What an hour of each model costs at each site, and what clouds would give."""
    sold = {(p.site, p.product.name): p.product for p in layout.racks}
    for (site, name), product in sorted(sold.items(), key=lambda row: row[0]):
        yield Price(
            id=PriceId(f"{site}-{name}"),
            unit=Unit.GPU_HOUR,
            amount=MicroUsd(layout.draw(f"price/{site}/{name}").randrange(900_000, 6_000_000)),
            model=product.model,
            site=site,
            stated_by=f"price list of {site}",
            valid_until=layout.valid_until,
        )
    for number, product in enumerate(PRODUCTS[:3], start=1):
        draw = layout.draw(f"offer/{number}")
        yield Offer(
            id=OfferId(f"cloud-{number}"),
            provider=f"cloud-{number}",
            place=f"zone-{number}",
            model=product.model,
            accelerators_each=product.devices,
            quota=draw.randrange(0, 512, product.devices),
            available=draw.randrange(0, 128, product.devices),
            hourly=MicroUsd(draw.randrange(1_500_000, 9_000_000)),
            spot=number == 2,
            valid_until=layout.valid_until,
        )
