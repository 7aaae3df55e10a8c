"""A whole generated estate: facts, world and items that agree with each other. Called by the CLI and by benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from tools.generation import facilities, legal, machinery, networks, seating, tenancy, working
from tools.generation.legal import Ground
from tools.generation.products import PRODUCTS
from tools.generation.sizes import Planned, Size, cluster_of

_TEMPLATE = TemplateId("gpu-cluster")


@dataclass(frozen=True, slots=True)
class Generated:
    """What was made: the law, what is observed, and everything else."""

    facts: Facts
    world: World
    items: tuple[Item, ...]

    def file(self) -> EstateFile:
        """The items as an estate file."""
        return EstateFile(items=self.items)

    def facts_of(self, cluster: ClusterId, uid: Uid) -> Facts:
        """The facts, where they know that cluster by this uid."""
        clusters = (c.model_copy(update={"uid": uid} if c.id == cluster else {}) for c in self.facts.clusters)
        return Facts.read(self.facts.json_form() | {"clusters": [c.json_form() for c in clusters]})


def generate(size: Size) -> Generated:
    """The estate of that size and seed."""
    planned, grounds = list(size.planned()), list(legal.grounds(size))
    nodes = {n.id: n for n in machinery.nodes(size, planned)}
    facts = _facts(size, planned, grounds)
    taken = seating.seats(size, facts, iter(planned), nodes)
    work = tuple(working.with_data(facts, w) for w in working.workloads(size, taken))
    items = (
        *facilities.facilities(size, grounds, planned),
        *networks.networks(size, planned),
        *machinery.machines(size),
        *working.promises(size, work),
        *_clusters(size),
        *_copies(facts, grounds),
        *_prices(size, planned),
    )
    return Generated(facts, World(nodes=tuple(nodes.values()), workloads=work), items)


def _facts(size: Size, planned: Sequence[Planned], grounds: Sequence[Ground]) -> Facts:
    devices = sum(p.product.devices * p.product.nodes_per_rack for p in planned)
    owners = (e for g in grounds for e in g.entities)
    bare = Facts(
        version=1,
        author="generator",
        basis=f"made up by `placet estate generate`, seed {size.seed}: nobody's law",
        valid_until=size.valid_until,
        entities=(legal.parent_company(), *owners, *tenancy.organisations(size)),
        sites=tuple(g.site for g in grounds),
        racks=tuple(legal.racks(planned)),
        clusters=tuple(g.cluster for g in grounds),
        tenants=tuple(tenancy.tenants(size, devices)),
        datasets=tuple(tenancy.datasets(size)),
    )
    return Facts.read(bare.json_form() | {"tenants": [t.json_form() for t in tenancy.housed(bare, grounds)]})


def _clusters(size: Size) -> Iterator[Item]:
    yield Template(
        id=_TEMPLATE,
        sort=TemplateSort.CLUSTER,
        name="gpu-cluster",
        revisions=(Revision(version="1.4.0", upgrades_to=("1.5.0",)), Revision(version="1.5.0")),
    )
    for site in size.site_names():
        made_from = Deployed(template=_TEMPLATE, version=size.draw(f"template/{site}").choice(("1.4.0", "1.5.0")))
        yield ClusterState(
            id=cluster_of(site), version="1.36.3", provider="k0rdent", made_from=made_from, state=State.OK
        )


def _copies(facts: Facts, grounds: Sequence[Ground]) -> Iterator[Copy]:
    """Each dataset at every site where it may be."""
    for dataset in facts.datasets:
        for ground in grounds:
            if all(a.holds for a in sovereignty.exposure_of_tenant(facts, dataset.tenant, ground.cluster.id)):
                name = CopyId(f"{dataset.id}.{ground.site.id}")
                storage = StorageId(f"{ground.site.id}-parallel")
                yield Copy(id=name, dataset=DatasetId(dataset.id), storage=storage, complete=True)


def _prices(size: Size, planned: Sequence[Planned]) -> Iterator[Item]:
    """What an hour of each model costs at each site, and what clouds would give."""
    for site, name in sorted({(p.site, p.product.name) for p in planned}):
        product = next(p for p in PRODUCTS if p.name == name)
        yield Price(
            id=PriceId(f"{site}-{name}"),
            unit=Unit.GPU_HOUR,
            amount=MicroUsd(size.draw(f"price/{site}/{name}").randrange(900_000, 6_000_000)),
            model=product.model,
            site=site,
            stated_by=f"price list of {site}",
            valid_until=size.valid_until,
        )
    for number, product in enumerate(PRODUCTS[:3], start=1):
        draw = size.draw(f"offer/{number}")
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
            valid_until=size.valid_until,
        )
