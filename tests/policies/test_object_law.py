"""The law on objects: whose they are, what they open and loosen, and whom each asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import law
from estate.changes import Change
from estate.identities import Role
from estate.ids import ClusterId, TenantId
from estate.law import DisruptionConsent, Facts
from estate.manifests import KINDS
from estate.modes import Mode
from estate.verdicts import Decision, Dimension
from policies import approving, deciding, kernel
from policies.redeciding import undo_fault
from tests import builders
from tests.objects import PODS, PORT, apply, delete, manifest
from tests.policies.asking import Person, dimensions, freeze, mandate_of, owner, question, verdict

TENANT_A = TenantId("tenant-a")
OPEN = manifest("Service", spec={"type": "LoadBalancer", "selector": {"app": "serve"}, "ports": [PORT]})
QUOTA = manifest("ResourceQuota", spec={"hard": {"pods": "20"}})
DENY = manifest("NetworkPolicy")
ALLOW = manifest("NetworkPolicy", spec=PODS | {"policyTypes": ["Ingress"], "ingress": [{}]})


def owned(space: str, tenant: str = "tenant-a") -> Facts:
    """The default law base with one more namespace given to a tenant."""
    known = builders.facts()
    more = law.Namespace(cluster=ClusterId("eu-1"), name=space)
    given_to = tuple(
        t.model_copy(update={"namespaces": (*t.namespaces, more)}) if t.id == tenant else t for t in known.tenants
    )
    return known.model_copy(update={"tenants": given_to})


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_each_kind_is_permitted_where_it_breaks_nothing(kind: str) -> None:
    assert verdict(apply(manifest(kind))).decision is Decision.PERMIT


def test_a_namespace_of_nobody_is_denied_for_want_of_facts() -> None:
    found = verdict(apply(manifest(namespace="default")))
    assert found.decision is Decision.FORBID
    assert Dimension.FACTS in dimensions(found)


def test_an_object_goes_only_where_its_tenant_may_be() -> None:
    """A ConfigMap holds data: all three axes are asked, as for a placement."""
    found = verdict(apply(manifest(), cluster="us-1"))
    assert {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL} <= dimensions(found)
    assert verdict(apply(manifest(namespace="tenant-c"), cluster="us-1")).decision is Decision.PERMIT
    assert verdict(delete(manifest(), cluster="us-1")).decision is Decision.PERMIT, "what leaves is not placed"


@pytest.mark.parametrize("space", ["kube-system", "placet-system", "openshift-dns", "gpu-operator"])
def test_system_namespaces_are_closed_whatever_a_fact_says(space: str) -> None:
    on = builders.estate(law_base=owned(space))
    for change in (apply(manifest(namespace=space)), delete(manifest(namespace=space))):
        found = verdict(change, on=on)
        assert found.decision is Decision.FORBID
        assert [f.policy for f in found.failures] == ["system-namespace"]


def test_whoever_acts_for_a_tenant_touches_its_objects_only() -> None:
    acting = {"for_tenants": (TENANT_A,)}
    assert verdict(apply(manifest()), proposal=acting).decision is Decision.PERMIT
    found = verdict(apply(manifest(namespace="tenant-c")), proposal=acting)
    assert found.decision is Decision.FORBID
    assert dimensions(found) == {Dimension.TENANT}


@pytest.mark.parametrize(
    ("change", "policy"),
    [
        (apply(OPEN), "outside-asks-operator"),
        (apply(manifest("Service", spec={"type": "NodePort", "ports": [PORT]})), "outside-asks-operator"),
        (apply(ALLOW), "loosening-asks-operator"),
        (apply(ALLOW, before=DENY, uid="u"), "loosening-asks-operator"),
        (delete(DENY, uid="u"), "loosening-asks-operator"),
        (delete(QUOTA, uid="u"), "loosening-asks-operator"),
        (apply(manifest("ResourceQuota", spec={"hard": {"pods": "30"}}), QUOTA, "u"), "loosening-asks-operator"),
        (
            apply(manifest("PodDisruptionBudget", spec={"minAvailable": 0}), manifest("PodDisruptionBudget"), "u"),
            "loosening-asks-operator",
        ),
    ],
)
def test_what_opens_or_loosens_asks_an_operator(change: Change, policy: str) -> None:
    asked = verdict(change)
    assert asked.decision is Decision.NEEDS_APPROVAL
    assert [(r.policy, r.role) for r in asked.requirements] == [(policy, Role.OPERATOR)]
    planned = builders.proposal(change)
    assert verdict(change, given=(Person("olga").given(planned),)).decision is Decision.PERMIT


@pytest.mark.parametrize(
    "change",
    [
        apply(manifest("ResourceQuota", spec={"hard": {"pods": "20", "requests.cpu": "4"}}), before=QUOTA, uid="u"),
        apply(manifest("ResourceQuota", spec={"hard": {"pods": "20"}}, labels={"team": "a"}), before=QUOTA, uid="u"),
        apply(DENY),
    ],
)
def test_what_can_only_tighten_asks_nobody(change: Change) -> None:
    assert verdict(change).decision is Decision.PERMIT


def test_a_tenant_that_wants_to_be_asked_is_asked_before_its_objects_change() -> None:
    """Tenant-b does; a new ConfigMap disturbs nobody, a changed or deleted one may."""
    mine = manifest(namespace="tenant-b")
    assert verdict(apply(mine)).decision is Decision.PERMIT
    for change in (delete(mine, uid="u"), apply(manifest(namespace="tenant-b", data={"a": "b"}), mine, "u")):
        asked = verdict(change)
        assert [(r.policy, r.tenant) for r in asked.requirements] == [("tenant-consents-object", TenantId("tenant-b"))]
        planned = builders.proposal(change)
        assert verdict(change, given=(owner().given(planned, tenant=TenantId("tenant-b")),)).decision is Decision.PERMIT
        other = owner("otto", TENANT_A)
        assert verdict(change, given=(other.given(planned),)).decision is not Decision.PERMIT


def test_an_owner_is_not_shown_the_objects_of_another_tenant() -> None:
    planned = builders.proposal(apply(manifest()), apply(manifest(namespace="tenant-b", data={"key": "private"})))
    diff = approving.diff_for(planned, TENANT_A, builders.estate())
    assert (len(diff.lines), diff.elsewhere) == (1, 1)
    assert "private" not in diff.canonical().decode()


def test_a_freeze_of_the_tenant_holds_its_objects() -> None:
    found = verdict(apply(manifest()), standing={"freezes": (freeze(tenant="tenant-a"),)})
    assert dimensions(found) == {Dimension.FREEZE}


def test_one_proposal_writes_few_objects() -> None:
    many = [apply(manifest(name=f"n{n}")) for n in range(13)]
    assert verdict(*many[:12]).decision is Decision.PERMIT
    assert [f.policy for f in verdict(*many).failures] == ["blast-objects"]


SPACES = ["tenant-a", "tenant-b", "tenant-c", "default", "kube-system", "x-system", "system", "a-operator", "kube"]


@st.composite
def object_changes(draw: st.DrawFn) -> Change:
    """One change of an object somewhere."""
    space = draw(st.sampled_from(SPACES))
    made = manifest(draw(st.sampled_from(sorted(KINDS))), namespace=space, name=draw(st.sampled_from(["a", "b"])))
    cluster = draw(st.sampled_from(["eu-1", "us-1", "nowhere"]))
    match draw(st.integers(0, 2)):
        case 0:
            return apply(made, cluster=cluster)
        case 1:
            return delete(made, uid="u", cluster=cluster)
        case _:
            return apply(made, before=made, uid="u", cluster=cluster)


def law_bases(draw: Any) -> Facts:
    """The default law with namespaces given away, a limit or a cluster otherwise."""
    known = owned(draw(st.sampled_from(SPACES)), draw(st.sampled_from(["tenant-a", "tenant-c"])))
    match draw(st.integers(0, 4)):
        case 0:
            return known.model_copy(update={"clusters": known.clusters[draw(st.integers(0, 1)) :][:1]})
        case 1:
            limits = builders.residency(*draw(st.sampled_from([("DE", "FR", "US"), ("FR",), ()])))
            tenants = tuple(t.model_copy(update={"residency": limits}) for t in known.tenants)
            return known.model_copy(update={"tenants": tenants})
        case 2:
            return known.model_copy(update={"tenants": known.tenants[1:]})
        case _:
            return known


@given(st.data())
def test_cedar_and_kernel_find_the_same_tier_0_failures_of_objects(data: st.DataObject) -> None:
    """Both ways: neither sees a breach that the other misses."""
    base = law_bases(data.draw)
    on = builders.estate(law_base=Facts.model_construct(**{f: getattr(base, f) for f in Facts.model_fields}))
    acting = data.draw(st.sampled_from([(), (TENANT_A,), (TENANT_A, TenantId("tenant-c"))]))
    planned = builders.proposal(data.draw(object_changes()), on=on, for_tenants=acting)
    asked = question(planned, on)
    assert asked.matter.mandate == mandate_of(planned)
    failures = deciding.decide(asked).verdict.failures
    cedar = {(f.dimension, f.about) for f in failures if (r := asked.bundle.rules.get(f.policy)) and r.tier == 0}
    objections = kernel.objections(asked.matter, on, (), asked.now)
    assert cedar == {(o.dimension, o.about) for o in objections}


def test_an_undo_that_tier_0_forbids_stops() -> None:
    """Facts that moved since: the namespace is nobody's any more, so what was deleted is not put back."""
    (step,) = builders.steps(delete(manifest(), uid="u"))
    assert step.inverse.kind == "ApplyManifest"
    law_now = question(builders.proposal()).bundle
    assert undo_fault(step.inverse, builders.estate(), law_now, builders.START) is None
    bare = builders.facts(tenants=builders.facts().tenants[1:], datasets=())
    assert undo_fault(step.inverse, builders.estate(law_base=bare), law_now, builders.START)


def test_consent_by_facts_decides_not_the_change() -> None:
    asking = tuple(t.model_copy(update={"disruption": DisruptionConsent.APPROVAL}) for t in builders.facts().tenants)
    on = builders.estate(law_base=builders.facts(tenants=asking))
    change = delete(manifest(), uid="u")
    assert verdict(change).decision is Decision.PERMIT
    assert verdict(change, on=on).decision is Decision.NEEDS_APPROVAL
    assert verdict(change, standing={"mode": Mode.APPROVE}).decision is Decision.NEEDS_APPROVAL


NAME = "kubernetes.io/metadata.name"
PEERS = st.sampled_from(
    [
        {"podSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
        {"namespaceSelector": {}},
        {"namespaceSelector": {"matchLabels": {"team": "b"}}},
        *({"namespaceSelector": {"matchLabels": {NAME: n}}} for n in ("tenant-a", "tenant-b", "kube-system", "nobody")),
        {
            "namespaceSelector": {
                "matchExpressions": [{"key": NAME, "operator": "In", "values": ["tenant-a", "tenant-c"]}]
            }
        },
        {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["tenant-c"]}]}},
    ]
)
POOLS = st.sampled_from(["metallb.io/address-pool", "service.beta.kubernetes.io/aws-load-balancer-subnets", "team"])
NETWORKS = ("namespace/tenant-b", "namespace/nobody", "address-pool/b", "subnet/a")


@st.composite
def joining(draw: st.DrawFn) -> tuple[Facts, Change]:
    """A network policy or a service, under facts that give some of what it names to somebody."""
    named = draw(st.sets(st.sampled_from(NETWORKS)))
    called = tuple(law.ClusterName(cluster=ClusterId("eu-1"), name=n) for n in sorted(named))
    whose = draw(st.sampled_from([{"everybody": True}, {"tenants": ("tenant-a",)}, {"tenants": ("tenant-b",)}, {}]))
    facts = builders.facts(networks=(law.Network(id="rails", names=called, **whose),))
    if draw(st.booleans()):
        notes = {draw(POOLS): draw(st.sampled_from(["b", "a", "a, b", ""]))}
        return facts, apply(
            manifest("Service", annotations=notes, spec={"selector": {"app": "serve"}, "ports": [PORT]})
        )
    direction, side = draw(st.sampled_from([("ingress", "from"), ("egress", "to")]))
    spec = PODS | {direction: [{side: draw(st.lists(PEERS, max_size=3))}]}
    return facts, apply(manifest("NetworkPolicy", spec=spec))


@given(joining())
def test_cedar_and_kernel_agree_on_what_an_object_joins(found: tuple[Facts, Change]) -> None:
    facts, change = found
    on = builders.estate(law_base=facts)
    asked = question(builders.proposal(change, on=on), on)
    failures = deciding.decide(asked).verdict.failures
    objections = kernel.objections(asked.matter, on, (), asked.now)
    assert {(f.dimension, f.about) for f in failures if f.policy == "tenant-network-of-object"} == {
        (o.dimension, o.about) for o in objections
    }
    assert deciding.KERNEL not in {f.policy for f in failures}


def test_no_object_lets_another_tenants_pods_in_by_name() -> None:
    """Nor goes out to them; the cluster's own (its DNS) are nobody's, and what facts share is shared."""
    peer = {"namespaceSelector": {"matchLabels": {NAME: "tenant-b"}}}
    change = apply(manifest("NetworkPolicy", spec=PODS | {"ingress": [{"from": [peer]}]}))
    (failure,) = [f for f in verdict(change).failures if f.policy == "tenant-network-of-object"]
    assert failure.found == "attached to namespace/tenant-b"
    dns = {"namespaceSelector": {"matchLabels": {NAME: "kube-system"}}}
    lawful = apply(manifest("NetworkPolicy", spec=PODS | {"egress": [{"to": [dns]}]}))
    assert Dimension.TENANT not in dimensions(verdict(lawful))
