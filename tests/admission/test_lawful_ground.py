"""What the door is compiled from agrees with what gate and kernel would decide, for every tenant, node and dataset."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, Country, DatasetId, NodeId, RackId, SiteId, TenantId
from estate.law import Dataset, Facts, Isolation, Namespace, Residency, Tenant
from estate.verdicts import Dimension
from policies import completeness, deciding, kernel
from policies.admission.lawful import Ground, survey
from policies.questions import Matter
from tests import builders
from tests.drawing import among
from tests.policies import asking
from tools.kubernetes import naming

CLUSTERS = ("eu-1", "us-1")
TENANTS = ("tenant-a", "tenant-b", "tenant-c")
DATASETS = ("a-records", "weights", "unheard-of")
NODES = tuple(n.id for n in builders.default_nodes())
TIER_0 = {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL, Dimension.TENANT, Dimension.FACTS}

EVERYWHERE = tuple(Country(c) for c in ("DE", "FR", "US"))

countries = st.sets(st.sampled_from(EVERYWHERE), max_size=2).map(lambda s: tuple(sorted(s)))


class Spoiled(StrEnum):
    """What may be wrong with a law base in which otherwise everybody may be everywhere."""

    SITE = "where a site's bytes rest"
    CLUSTER = "who helps a cluster"
    RACKS = "which racks stand where"
    GEOGRAPHIC = "a tenant's places"
    LEGAL = "a tenant's powers"
    OPERATIONAL = "a tenant's hands"
    DATASET = "where a dataset may be"
    ISOLATION = "who wants to be alone"
    NAMESPACES = "who has a namespace where"


@st.composite
def law_bases(draw: st.DrawFn) -> Facts:
    """The small estate's facts with one or two things spoiled that could make a place unlawful, or unknown."""
    spoiled = draw(st.sets(st.sampled_from(Spoiled), max_size=2))
    base = builders.facts()
    sites, clusters, racks = list(base.sites), list(base.clusters), list(base.racks)
    if Spoiled.SITE in spoiled:
        sites[0] = sites[0].model_copy(update={"backups_in": draw(countries)})
    if Spoiled.CLUSTER in spoiled:
        clusters[0] = clusters[0].model_copy(update={"support_in": draw(countries)})
    if Spoiled.RACKS in spoiled:
        racks = [draw(among((r, builders.rack(r.id, site=SiteId("us-east"))))) for r in racks[1:]]
    datasets = [_dataset(d, draw(_residency(Spoiled.DATASET in spoiled))) for d in DATASETS[:2]]
    return builders.facts(
        sites=tuple(sites),
        clusters=tuple(clusters),
        racks=tuple(racks),
        tenants=tuple(draw(_tenant(name, spoiled)) for name in TENANTS),
        datasets=tuple(datasets),
    )


@st.composite
def _tenant(draw: st.DrawFn, name: str, spoiled: set[Spoiled]) -> Tenant:
    axes = {
        axis.value: draw(countries) if spoil in spoiled else EVERYWHERE
        for axis, spoil in (
            (Dimension.GEOGRAPHIC, Spoiled.GEOGRAPHIC),
            (Dimension.LEGAL, Spoiled.LEGAL),
            (Dimension.OPERATIONAL, Spoiled.OPERATIONAL),
        )
    }
    where = draw(st.sets(st.sampled_from(CLUSTERS))) if Spoiled.NAMESPACES in spoiled else CLUSTERS
    return builders.tenant(
        name,
        residency=Residency(**axes),
        isolation=draw(among(Isolation)) if Spoiled.ISOLATION in spoiled else Isolation.SHARED_NODE,
        namespaces=tuple(Namespace(cluster=ClusterId(c), name=name) for c in sorted(where)),
    )


def _residency(spoil: bool) -> st.SearchStrategy[Residency]:
    axis = countries if spoil else st.just(EVERYWHERE)
    return st.builds(Residency, geographic=axis, legal=axis, operational=axis)


def _dataset(name: str, residency: Residency) -> Dataset:
    return Dataset(id=DatasetId(name), tenant=TenantId("tenant-a"), personal=True, residency=residency)


@dataclass(frozen=True, slots=True)
class Case:
    """Work of a tenant that somebody wants on a node."""

    tenant: str
    cluster: str
    node: NodeId
    datasets: tuple[str, ...]


cases = st.builds(
    Case,
    st.sampled_from(TENANTS),
    st.sampled_from(CLUSTERS),
    st.sampled_from(NODES),
    st.just(()) | st.sets(st.sampled_from(DATASETS), max_size=2).map(lambda s: tuple(sorted(s))),
)


def at_the_door(ground: Ground, case: Case) -> bool:
    tenancy = next((t for t in ground.tenancies if t.tenant == case.tenant), None)
    if tenancy is None or tenancy.bars:
        return False
    return case.node in ground.nodes and set(case.datasets) <= set(tenancy.datasets)


def estate_of(facts: Facts, case: Case) -> FrozenEstate:
    """An estate where nothing runs but the one pending replica."""
    work = builders.workload(
        "work",
        tenant=case.tenant,
        cluster=ClusterId(case.cluster),
        contract=builders.contract(1),
        replicas=1,
        datasets=tuple(DatasetId(d) for d in case.datasets),
    )
    place = builders.node(case.node, cluster=ClusterId(case.cluster))
    return builders.estate(law_base=facts, nodes=(place,), workloads=(work,))


@given(law_bases(), cases)
def test_the_door_lets_in_exactly_what_gate_and_kernel_would_place(facts: Facts, case: Case) -> None:
    """One law, three readers: what a scheduler may do at the door is what Placet itself might do on an empty estate."""
    estate = estate_of(facts, case)
    proposed = builders.proposal(asking.move("work", (0, None, case.node, (0,))), on=estate)
    matter = Matter.of(proposed, mandate=asking.mandate_of(proposed))
    objections = kernel.objections(matter, estate, (), builders.START)
    failed = asking.dimensions(deciding.decide(asking.question(proposed, estate)).verdict) & TIER_0
    lawful = case.tenant in {t for (c, _), t in facts.tenant_of.items() if c == case.cluster}
    allowed = at_the_door(survey(facts, ClusterId(case.cluster)), case)
    assert allowed == (not objections and lawful)
    assert allowed == (not failed and lawful)


@given(law_bases(), st.sampled_from(CLUSTERS))
def test_a_tenant_that_may_run_nowhere_is_told_why(facts: Facts, cluster: str) -> None:
    """Each bar names a rule of the shipped law by its id, with what was needed and what was found."""
    shipped = asking.law().rules
    for tenancy in survey(facts, ClusterId(cluster)).tenancies:
        for bar in tenancy.bars:
            assert shipped[bar.policy].dimension is bar.dimension
            assert bar.needed
            assert bar.found
        assert not (tenancy.bars and tenancy.datasets)


names = st.lists(st.sampled_from(("eu-1", "us-1", "gpu-1", "gpu-2", "rack-9")), min_size=1, max_size=3).map(".".join)


@given(st.sets(names, max_size=6), st.sampled_from(("eu-de", "us-east")), names, st.sampled_from(CLUSTERS))
def test_the_door_knows_a_node_by_the_id_that_the_source_would_give_it(
    placed: set[str], site: str, name: str, cluster: str
) -> None:
    """A node that calls itself as another cluster's id, or as another's neighbour, gains nothing by its name."""
    ids = tuple(NodeId(n) for n in sorted(placed))
    racks = (
        builders.rack("eu-a", nodes=ids[::2]),
        builders.rack("eu-b", nodes=ids[1::2], site=SiteId(site)),
    )
    facts, where = builders.facts(racks=racks), ClusterId(cluster)
    known = naming.node_id(facts, where, name)
    assert (name in survey(facts, where).nodes) == (not completeness.missing_place(facts, where, known))


def test_a_node_that_facts_place_at_another_site_is_no_lawful_ground() -> None:
    racks = (builders.rack("eu-a"), builders.rack("eu-b", site=SiteId("us-east")))
    ground = survey(builders.facts(racks=racks), ClusterId("eu-1"))
    assert set(ground.nodes.values()) == {RackId("eu-a")}


@dataclass(frozen=True, slots=True)
class Pair:
    """Work of one tenant that somebody wants on `wanted`, while another's runs on `taken`."""

    tenant: str
    wanted: NodeId
    other: str
    taken: NodeId


@st.composite
def distant(draw: st.DrawFn) -> Facts:
    """Tenants that may be everywhere, but for each other."""
    promised = st.sampled_from((Isolation.SHARED_NODE, Isolation.DEDICATED_NODE, Isolation.DEDICATED_RACK))
    apart = st.sets(st.sampled_from(TENANTS), max_size=1).map(lambda s: tuple(TenantId(t) for t in sorted(s)))
    everywhere = builders.residency(*EVERYWHERE)
    return builders.facts(
        tenants=tuple(
            builders.tenant(t, residency=everywhere, isolation=draw(promised), apart_from=draw(apart)) for t in TENANTS
        )
    )


@given(
    distant(),
    st.builds(Pair, *(st.sampled_from(v) for v in (TENANTS, NODES[:8], TENANTS, NODES[:8]))),
)
def test_the_door_keeps_apart_exactly_whom_gate_and_kernel_would(facts: Facts, pair: Pair) -> None:
    """Which namespaces a pod's anti-affinity names, on the node and in the rack, is the law's own answer."""
    standing = builders.workload(
        "standing",
        tenant=pair.other,
        contract=builders.contract(1),
        replicas=1,
        bindings=(builders.binding(0, pair.taken, 0),),
    )
    wanting = builders.workload("wanting", tenant=pair.tenant, contract=builders.contract(1), replicas=1)
    estate = builders.estate(law_base=facts, workloads=(standing, wanting))
    proposed = builders.proposal(asking.move("wanting", (0, None, pair.wanted, (1,))), on=estate)
    matter = Matter.of(proposed, mandate=asking.mandate_of(proposed))
    objections = {o.dimension for o in kernel.objections(matter, estate, (), builders.START)}
    failed = asking.dimensions(deciding.decide(asking.question(proposed, estate)).verdict) & TIER_0
    tenancy = next(t for t in survey(facts, ClusterId("eu-1")).tenancies if t.tenant == pair.tenant)
    near = pair.other in (tenancy.off_nodes if pair.wanted == pair.taken else ())
    near |= facts.rack_of[pair.wanted] == facts.rack_of[pair.taken] and pair.other in tenancy.off_racks
    assert failed == objections == ({Dimension.TENANT} if near else set())


def test_what_another_cluster_has_in_a_shared_rack_is_named_as_not_held() -> None:
    """No API server knows what another one runs: an export that hid it would promise more than it keeps."""
    here, there = builders.facts().clusters
    neighbour = there.model_copy(update={"site": here.site})
    shared = builders.rack("eu-a", nodes=(NodeId("eu-1.n1"), NodeId("us-1.n2")))
    held = (
        builders.tenant("tenant-a", isolation=Isolation.DEDICATED_RACK),
        builders.tenant("tenant-b", isolation=Isolation.DEDICATED_NODE),
        builders.tenant("tenant-c"),
    )
    facts = builders.facts(tenants=held, clusters=(here, neighbour), racks=(shared,))
    told = {t.tenant: t.unheld for t in survey(facts, here.id).tenancies}
    words = "apart from {} of cluster us-1 in the racks that both clusters share"
    assert told == {
        "tenant-a": (words.format("tenant-b, tenant-c"),),
        "tenant-b": (words.format("tenant-a"),),
        "tenant-c": (words.format("tenant-a"),),
    }
    alone = builders.facts(tenants=held)
    assert not [u for t in survey(alone, here.id).tenancies for u in t.unheld]


def test_a_cluster_that_no_fact_knows_has_no_door() -> None:
    with pytest.raises(BadInput, match="no cluster `eu-9` in the facts; there are eu-1, us-1"):
        survey(builders.facts(), ClusterId("eu-9"))
