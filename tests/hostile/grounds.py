"""The estates that the hostile proposer attacks: generated from plans, full of edges.

Three sites under three laws, tenants whose names look alike, data of one tenant lent to another, keys and certificates
of several qualities, a quota, registrations, a full rack. What is fixed stands in a plan; the rest is made up by seed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

from hypothesis import strategies as st

from estate.aliases import Alias, AliasKind
from estate.attachments import Attachment, AttachmentSort
from estate.identities import SubjectKind
from estate.ids import ClusterId, ComponentId, Country, DatasetId, EntityId, NodeId, RackId, SiteId, TenantId
from estate.law import (
    Certificate,
    Cluster,
    Compulsion,
    DataClass,
    Dataset,
    Declassification,
    DisruptionConsent,
    Grant,
    Instrument,
    Isolation,
    KeyModel,
    LegalEntity,
    Namespace,
    Pool,
    Quota,
    Registration,
    Residency,
    Site,
    Tenant,
    Transfer,
)
from estate.units import MilliGpu
from estate.uses.clusters import MachineGroup
from estate.uses.running import ComponentSort
from estate.workloads import WorkloadKind
from tests import builders, pooled
from tests.builders import START
from tests.partitioned import LAYOUTS
from tools.generation.estates import Generated, generate
from tools.generation.plans import Plan, Racks, Seat, Work

EU, WIDE = ("DE", "FR"), ("DE", "FR", "US")
CLUSTERS = tuple(ClusterId(c) for c in ("de-1", "fr-1", "us-1"))
TENANTS = tuple(TenantId(t) for t in ("acme", "acme-lab", "acme-1ab", "borel", "corvus"))
"""`acme-lab` is a team of `acme`; `acme-1ab` only looks like it."""
MIND, STRANGER = ComponentId("scribe"), ComponentId("scr1be")
AGENT = builders.subject("agent-1", SubjectKind.AGENT)
LATER = START.replace(year=START.year + 1)
ATTACHMENTS = (
    Attachment(sort=AttachmentSort.STORAGE, kind="claim", name="data"),
    Attachment(sort=AttachmentSort.STORAGE, kind="nfs", name="10.0.0.7/lake"),
    Attachment(sort=AttachmentSort.STORAGE, kind="storage-class", name="fast"),
    Attachment(sort=AttachmentSort.NETWORK, kind="network-attachment", name="rails", namespace="acme"),
    Attachment(sort=AttachmentSort.NETWORK, kind="network-attachment", name="rails"),
)
SEEDS = 16
"""How many estates there are before they are twisted."""


def seldom(draw: st.DrawFn, times: int) -> bool:
    """Once in so many times. Not by the first of a range, which hypothesis tries more often than the rest."""
    return draw(st.integers(1, times)) == times // 2 + 1


def countries(*names: str) -> tuple[Country, ...]:
    return tuple(map(Country, names))


@cache
def generated(seed: int) -> Generated:
    """One of the estates, whose facts register the agent."""
    layout = _plan(Random(f"hostile/{seed}")).layout(seed, LATER)
    facts = layout.facts.model_copy(update={"registrations": (registered(),), "pools": _pools()})
    return generate(replace(layout, facts=facts))


def _pools() -> tuple[Pool, ...]:
    """Somebody's machines in Germany, the house's in the United States, and in France those of a cloud abroad."""
    kept = [("de-1", "hosting", ("de-a",), TENANTS[0]), ("us-1", "us-cloud", ("us-a",), None)]
    return tuple(
        pooled.pool(
            id=f"{cluster}.fleet.workers.gpu",
            cluster=ClusterId(cluster),
            provider=EntityId(provider),
            racks=tuple(RackId(r) for r in racks),
            tenant=tenant,
            most=6,
        )
        for cluster, provider, racks, tenant in [*kept, ("fr-1", "us-cloud", (), None)]
    )


def groups() -> tuple[MachineGroup, ...]:
    """What their clusters show of them."""
    return tuple(
        pooled.group(id=p.id, aliases=(Alias(kind=AliasKind.UID, value=f"uid-{p.cluster}"),)) for p in _pools()
    )


def registered(name: str = AGENT.name, **over: Any) -> Registration:
    """The agent as facts register it: for everybody's work and all data, unless something else is said."""
    return builders.registration(name, **({"sort": ComponentSort.AGENT, "tenants": TENANTS} | over))


def _plan(odd: Random) -> Plan:
    golden = odd.random() < 0.3
    return Plan(
        author="felix",
        basis="written for a hostile proposer",
        entities=_entities(golden=golden),
        sites=(_site("de", "DE", "hosting"), _site("fr", "FR", "franco"), _site("us", "US", "us-cloud")),
        clusters=(
            _cluster("de", "hosting", odd.choice([KeyModel.TENANT_HSM, KeyModel.TENANT_HSM, KeyModel.HYOK])),
            _cluster("fr", "franco", odd.choice([KeyModel.TENANT_HSM, KeyModel.BYOK, None])),
            _cluster("us", "us-cloud", KeyModel.PROVIDER),
        ),
        racks=(
            _racks("de-1", "de-a", "de-b", nodes=5, budget=odd.choice([None, None, 24_000])),
            _racks("de-1", "de-c", nodes=2, product="l40s-server"),
            _racks("fr-1", "fr-a", nodes=4, budget=odd.choice([None, 26_000])),
            _racks("us-1", "us-a", nodes=4),
        ),
        tenants=_tenants(odd),
        datasets=_datasets(odd),
        grants=_grants(odd),
        work=_work(),
        busy=300,
        failed=8,
        cordoned=30,
        bare=True,
    )


def _racks(cluster: str, *names: str, nodes: int, product: str = "dgx-h100", budget: int | None = None) -> Racks:
    fields: dict[str, Any] = {"cluster": cluster, "product": product, "names": names, "nodes_each": nodes}
    return Racks(**fields, nodes_named="{rack}{number}", budget_watts=budget)


def _entities(*, golden: bool) -> tuple[LegalEntity, ...]:
    act = Compulsion(country=Country("US"), statute="CLOUD Act")
    cloud = LegalEntity(id=EntityId("us-cloud"), name="Cloud", seat=Country("US"), compulsions=(act,))
    parents = (cloud.id,) if golden else ()
    franco = LegalEntity(id=EntityId("franco"), name="Franco", seat=Country("FR"), parents=parents)
    seats = {"hosting": "DE", "acme": "DE", "borel": "FR", "corvus": "US"}
    others = (LegalEntity(id=EntityId(e), name=e, seat=Country(s)) for e, s in seats.items())
    return (cloud, franco, *others)


def _site(name: str, country: str, owner: str) -> Site:
    here = countries(country)
    return Site(
        id=SiteId(name),
        country=Country(country),
        owner=EntityId(owner),
        replicas_in=here,
        backups_in=here,
        telemetry_in=here,
    )


def _cluster(site: str, entity: str, keys: KeyModel | None) -> Cluster:
    who, here = EntityId(entity), countries(site.upper())
    held = ("ISO 27001", "C5", "SecNumCloud") if site == "de" else ("ISO 27001", "C5")
    return Cluster(
        id=ClusterId(f"{site}-1"),
        uid=f"uid-{site}",
        site=SiteId(site),
        operator=who,
        key_holder=who,
        update_authority=who,
        stop_authority=who,
        admins_in=here,
        support_in=here,
        key_model=keys,
        layouts=LAYOUTS,
        certificates=tuple(Certificate(scheme=s, valid_until=LATER) for s in held),
    )


def _tenants(odd: Random) -> tuple[Tenant, ...]:
    eu, wide = builders.residency(*EU), builders.residency(*WIDE)
    own_keys = eu.model_copy(update={"key": countries("DE")})
    alone = odd.choice([Isolation.DEDICATED_NODE, Isolation.DEDICATED_NODE, Isolation.DEDICATED_RACK])
    quota = (Quota(accelerators=MilliGpu(odd.choice([8_000, 24_000]))),)
    asked = DisruptionConsent.APPROVAL
    return (
        _tenant("acme", "acme", eu, "de-1", "fr-1", "us-1"),
        _tenant("acme-lab", "acme", odd.choice([eu, own_keys]), "de-1", "fr-1", parent=TENANTS[0], quotas=quota),
        _tenant("acme-1ab", "corvus", wide, *CLUSTERS, apart_from=(TENANTS[1],)),
        _tenant("borel", "borel", eu, "de-1", "fr-1", isolation=alone, disruption=asked),
        _tenant("corvus", "corvus", wide, *CLUSTERS),
    )


def _tenant(name: str, entity: str, limits: Residency, *clusters: str, **over: Any) -> Tenant:
    spaces = tuple(Namespace(cluster=ClusterId(c), name=name) for c in clusters)
    return Tenant(id=name, name=name, entity=entity, residency=limits, namespaces=spaces, **over)


def _datasets(odd: Random) -> tuple[Dataset, ...]:
    ends = START + timedelta(minutes=odd.choice([-1, 0, 30, 10_000]))
    clauses = Transfer(instrument=Instrument.STANDARD_CLAUSES, to=countries("US"), basis="SCC-1", valid_until=ends)
    lifted = Declassification(of=(DatasetId("borel-scans"),), basis="anonymised") if odd.random() < 0.5 else None
    return (
        _data("acme-records", "acme", EU, DataClass.RESTRICTED),
        _data("acme-weights", "acme", WIDE, DataClass.CONFIDENTIAL, made_of="acme-records"),
        _data("borel-scans", "borel", EU, DataClass.CONFIDENTIAL),
        _data("acme-mix", "acme", WIDE, DataClass.INTERNAL, made_of="borel-scans", declassified=lifted),
        _data("corvus-leads", "corvus", WIDE, DataClass.PUBLIC, transfers=(clauses,)),
    )


def _data(name: str, owner: str, limits: tuple[str, ...], secret: DataClass, made_of: str = "", **over: Any) -> Dataset:
    parents = (DatasetId(made_of),) if made_of else ()
    residency = builders.residency(*limits)
    fields: dict[str, Any] = {"personal": True, "data_class": secret, "derived_from": parents} | over
    return Dataset(id=name, tenant=owner, residency=residency, **fields)


def _grants(odd: Random) -> tuple[Grant, ...]:
    """Of borel's scans to acme: in force, just ended, of one cluster, to a tenant whose name looks alike, or none."""
    until = START + timedelta(minutes=odd.choice([-5, 0, 30, 10_000, 10_000]))
    grant = Grant(dataset=DatasetId("borel-scans"), to=TENANTS[0], basis="DPA-7", valid_until=until)
    update = odd.choice([{}, {}, {"clusters": CLUSTERS[:1]}, {"clusters": CLUSTERS[1:2]}, {"to": TENANTS[2]}])
    return (grant.model_copy(update=update),) if odd.random() < 0.8 else ()


def _work() -> tuple[Work, ...]:
    serve, train, batch = WorkloadKind.INFERENCE, WorkloadKind.TRAINING, WorkloadKind.BATCH
    return (
        _runs("serve", "acme", serve, "de-a1:01", "de-a2:01", "de-b1:01", least=2, data="acme-records"),
        _runs("tune", "acme", train, "de-b2:0123", data="acme-mix"),
        _runs("weights", "acme", serve, "de-b1:45", "de-b3:01", least=1, data="acme-weights"),
        _runs("try", "acme-lab", batch, "de-a1:4567"),
        _runs("serve", "acme-1ab", serve, "de-b2:67", "de-b3:67", least=1),
        _runs("scan", "borel", train, "fr-a1:0123", "fr-a2:0123", data="borel-scans"),
        _runs("index", "borel", batch, "fr-a3:", "fr-a4:"),
        _runs("leads", "corvus", batch, "de-b1:67", data="corvus-leads"),
        _runs("render", "corvus", batch, "us-a1:01234567", "us-a2:01234567"),
    )


def _runs(name: str, tenant: str, kind: WorkloadKind, *seats: str, least: int = 0, data: str = "") -> Work:
    """`seats` are nodes with the digits of the devices that a replica holds there."""
    held = (s.split(":") for s in seats)
    return Work(
        name=name,
        tenant=TenantId(tenant),
        kind=kind,
        seats=tuple(Seat(node=NodeId(n), accelerators=tuple(map(int, i))) for n, i in held),
        min_available=least,
        datasets=(DatasetId(data),) if data else (),
    )
