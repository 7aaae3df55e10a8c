"""The estates that the hostile proposer attacks: generated from plans, full of edges, and made odd by a few twists.

Three sites under three laws, tenants whose names look alike, data of one tenant lent to another, keys and certificates
of several qualities, a quota, registrations, a full rack. What is fixed stands in a plan; the rest is made up by seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

from hypothesis import strategies as st

from estate import canonical
from estate.facilities.cooling import Loop
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.identities import SubjectKind
from estate.ids import ClusterId, ComponentId, Country, DatasetId, EntityId, NodeId, SiteId, TenantId
from estate.items import Item
from estate.law import (
    Certificate,
    Cluster,
    Compulsion,
    DataClass,
    Dataset,
    Declassification,
    DisruptionConsent,
    Facts,
    Grant,
    Instrument,
    Isolation,
    KeyModel,
    LegalEntity,
    Namespace,
    Quota,
    Registration,
    Residency,
    Site,
    Tenant,
    Transfer,
)
from estate.stock import Stock
from estate.units import MilliGpu, Watts
from estate.uses.running import ComponentSort
from estate.workloads import Workload, WorkloadKind
from tests import builders
from tests.builders import START
from tools.generation.estates import Generated, generate
from tools.generation.plans import Plan, Racks, Seat, Work

EU, WIDE = ("DE", "FR"), ("DE", "FR", "US")
CLUSTERS = tuple(ClusterId(c) for c in ("de-1", "fr-1", "us-1"))
TENANTS = tuple(TenantId(t) for t in ("acme", "acme-lab", "acme-1ab", "borel", "corvus"))
"""`acme-lab` is a team of `acme`; `acme-1ab` only looks like it."""
MIND, STRANGER = ComponentId("scribe"), ComponentId("scr1be")
AGENT = builders.subject("agent-1", SubjectKind.AGENT)
LATER = START.replace(year=START.year + 1)
SEEDS = 16
"""How many estates there are before they are twisted."""


def seldom(draw: st.DrawFn, times: int) -> bool:
    """Once in so many times. Not by the first of a range, which hypothesis tries more often than the rest."""
    return draw(st.integers(1, times)) == times // 2 + 1


def countries(*names: str) -> tuple[Country, ...]:
    return tuple(map(Country, names))


@cache
def generated(seed: int) -> Generated:
    """One of the estates."""
    return generate(_plan(Random(f"hostile/{seed}")).layout(seed, LATER))


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


# -- twists: what is otherwise on the very day of the attack


class Ground:
    """An estate that is written as what it was made of, so that a failing example can be read."""

    def __init__(self, seed: int, twists: list[str], estate: FrozenEstate) -> None:
        self.seed, self.twists, self.estate = seed, twists, estate

    def __repr__(self) -> str:
        return f"estate {self.seed} with {self.twists}"


@st.composite
def estates(draw: st.DrawFn) -> Ground:
    """One of the estates with up to three things otherwise."""
    seed = draw(st.integers(0, SEEDS - 1))
    made = generated(seed)
    parts, twists = _Parts(made.facts, made.world.nodes, made.world.workloads, made.items), list[str]()
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]))):
        twist = draw(st.sampled_from(_TWISTS))
        parts = twist(draw, parts)
        twists.append(twist.__name__.strip("_"))
    estate = FrozenEstate.of(builders.version(), parts.facts, parts.nodes, parts.work)
    stock = _stocked(seed) if parts.items is made.items else Stock.of(parts.items)
    return Ground(seed, twists, estate.with_stock(stock))


@cache
def _stocked(seed: int) -> Stock:
    return Stock.of(generated(seed).items)


class _Parts:
    """What an estate is put together from."""

    def __init__(self, facts: Facts, nodes: Iterable[Node], work: Iterable[Workload], items: tuple[Item, ...]) -> None:
        self.facts, self.nodes, self.work, self.items = facts, tuple(nodes), tuple(work), items

    def law(self, **update: Any) -> _Parts:
        return _Parts(self.facts.model_copy(update=update), self.nodes, self.work, self.items)

    def one(self, draw: st.DrawFn, field: str, **update: Any) -> _Parts:
        """The facts with one thing of that field otherwise."""
        return self.law(**{field: _one(draw, getattr(self.facts, field), update)})

    def node(self, draw: st.DrawFn, **update: Any) -> _Parts:
        return _Parts(self.facts, _one(draw, self.nodes, update), self.work, self.items)

    def worked(self, draw: st.DrawFn, **update: Any) -> _Parts:
        return _Parts(self.facts, self.nodes, _one(draw, self.work, update), self.items)

    def promised(self, draw: st.DrawFn, **update: Any) -> _Parts:
        """One workload was promised something else."""
        number = draw(st.integers(0, len(self.work) - 1))
        contract = self.work[number].contract.model_copy(update=update)
        work = (w.model_copy(update={"contract": contract}) if n == number else w for n, w in enumerate(self.work))
        return _Parts(self.facts, self.nodes, work, self.items)


def _one(draw: st.DrawFn, things: tuple[Any, ...], update: dict[str, Any]) -> tuple[Any, ...]:
    if not things:
        return things
    chosen = draw(st.integers(0, len(things) - 1))
    return tuple(t.model_copy(update=update) if n == chosen else t for n, t in enumerate(things))


_FEW = st.lists(st.sampled_from(countries(*WIDE)), max_size=2, unique=True).map(tuple)
_WHO = st.sampled_from([EntityId(e) for e in ("us-cloud", "hosting", "franco", "corvus")])


def _hands(draw: st.DrawFn, parts: _Parts) -> _Parts:
    role = draw(st.sampled_from(["operator", "key_holder", "update_authority", "stop_authority"]))
    return parts.one(draw, "clusters", **{role: draw(_WHO)})


def _acting(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(
        draw, "clusters", **{draw(st.sampled_from(["admins_in", "support_in", "control_plane_in"])): draw(_FEW)}
    )


def _resting(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(
        draw, "sites", **{draw(st.sampled_from(["replicas_in", "backups_in", "telemetry_in"])): draw(_FEW)}
    )


def _owned(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(draw, "entities", **draw(st.sampled_from([{"parents": (EntityId("us-cloud"),)}, {"parents": ()}])))


def _limited(draw: st.DrawFn, parts: _Parts) -> _Parts:
    axis, field = draw(st.sampled_from(["geographic", "legal", "operational", "key"])), draw(st.sampled_from(_LIMITED))
    limits = builders.residency(*WIDE).model_copy(update={axis: draw(_FEW)})
    return parts.one(draw, field, residency=limits)


_LIMITED = ("tenants", "datasets")


def _parted(draw: st.DrawFn, parts: _Parts) -> _Parts:
    far = {"isolation": draw(st.sampled_from(list(Isolation)))}
    return parts.one(draw, "tenants", **draw(st.sampled_from([far, {"apart_from": (draw(st.sampled_from(TENANTS)),)}])))


def _unnamed(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """A tenant without a namespace, or a rack without its nodes."""
    field, named = draw(st.sampled_from([("tenants", "namespaces"), ("racks", "nodes")]))
    return parts.one(draw, field, **{named: ()})


def _lent(draw: st.DrawFn, parts: _Parts) -> _Parts:
    ends = START + timedelta(minutes=draw(st.sampled_from([0, 1, 30, 100_000])))
    where = draw(st.sampled_from([(), CLUSTERS[:1], CLUSTERS[1:2]]))
    to = draw(st.sampled_from(TENANTS[:3]))
    grant = Grant(dataset=DatasetId("borel-scans"), to=to, basis="DPA-8", valid_until=ends, clusters=where)
    return parts.law(grants=draw(st.sampled_from([(), (grant,)])))


def _registered(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """Who thinks here is registered: the model for some tenants, the agent perhaps under another name."""
    model = builders.registration(MIND, tenants=draw(st.sampled_from([TENANTS[:1], TENANTS, ()])))
    name = draw(st.sampled_from([AGENT.name, "agent-l"]))
    agent = Registration(
        id=ComponentId(name),
        sort=ComponentSort.AGENT,
        content=canonical.digest(name.encode()),
        owner=EntityId("acme"),
        provenance="built by acme",
    )
    return parts.law(registrations=draw(st.sampled_from([(model,), (model, agent)])))


def _by_agent(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.law(author=draw(st.sampled_from([AGENT.name, "otto"])))


def _ended(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.law(valid_until=draw(st.sampled_from([START, START + timedelta(days=3)])))


def _broken(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.node(draw, **draw(st.sampled_from([{"health": Health.FAILED}, {"cordoned": True}])))


def _capped(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(draw, "racks", power_budget_watts=Watts(draw(st.sampled_from([1, 9_000, 24_000, 40_000]))))


def _ganged(draw: st.DrawFn, parts: _Parts) -> _Parts:
    name = draw(st.sampled_from(["job", "job-2"]))
    return parts.worked(draw, gangs=(builders.gang(name),))


def _elsewhere(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.worked(draw, namespace=draw(st.sampled_from([*TENANTS, "kube-system", "nobody"])))


def _costly(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """Everything was promised to cost no more than that."""
    ceiling = {"cost_ceiling": draw(st.sampled_from([0, 1, 10_000_000, 10**9]))}
    work = (w.model_copy(update={"contract": w.contract.model_copy(update=ceiling)}) for w in parts.work)
    return _Parts(parts.facts, parts.nodes, work, parts.items)


def _kept(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.promised(draw, min_available=draw(st.integers(0, 3)))


def _hot(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """What carries heat away carries little."""
    watts = Watts(draw(st.sampled_from([0, 40_000, 80_000])))
    items = (i.model_copy(update={"capacity_watts": watts}) if isinstance(i, Loop) else i for i in parts.items)
    return _Parts(parts.facts, parts.nodes, parts.work, tuple(items))


def _counted(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.worked(draw, counted=True)


_TWISTS = (
    _hands,
    _acting,
    _resting,
    _owned,
    _limited,
    _parted,
    _unnamed,
    _lent,
    _registered,
    _by_agent,
    _ended,
    _broken,
    _capped,
    _ganged,
    _elsewhere,
    _costly,
    _costly,
    _kept,
    _hot,
    _counted,
)
