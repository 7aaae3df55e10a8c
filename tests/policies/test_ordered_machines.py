"""Machines are ordered where all who may run there may be, within power, size, price and offer, and by an operator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from estate import names
from estate.aliases import Alias, AliasKind
from estate.ids import EntityId, MachineGroupId, OfferId, RackId, SiteId, TenantId
from estate.law import Facts
from estate.units import MicroUsd, MicroUsdPerHour, Watts
from estate.uses.offers import Offer
from estate.verdicts import Decision
from policies import domains, kernel, standing
from policies.admission import registering
from policies.profiles import Ceiling, Ordering
from policies.questions import Matter
from tests import builders, pooled
from tests.policies.asking import mandate_of, move, verdict
from tests.policies.houses import failing, house
from tests.reserved import holding, reserve, seat

ASKED = "machines-ask-operator"

ONTO = move("a-serve", (0, "eu-a1", "eu-b2", (0, 1)))
"""Work that comes to the same rack."""


def told(machines: int = 4, *, under: Facts | None = None, **over: Any) -> dict[str, str]:
    """What is in the way of a larger group, beyond an operator's word."""
    found = failing(pooled.scale(machines), on=over.pop("on", None) or pooled.estate(under=under), **over)
    return {name: why for name, why in found.items() if name != ASKED}


def abroad(**over: Any) -> Facts:
    """Facts under which a company that the United States can compel provides the machines."""
    clusters = tuple(
        c.model_copy(update={"subprocessors": (EntityId("us-cloud"),)}) if c.id == "eu-1" else c
        for c in builders.facts().clusters
    )
    return pooled.facts(pooled.pool(provider=EntityId("us-cloud"), racks=()), **({"clusters": clusters} | over))


def offer(available: int, **over: Any) -> Offer:
    """What the site's owner says it has."""
    fields: dict[str, Any] = {
        "id": OfferId("more"),
        "provider": "eu-hosting",
        "site": SiteId("eu-de"),
        "model": pooled.pool().model,
        "accelerators_each": 8,
        "available": available,
        "hourly": MicroUsd(pooled.USD),
        "valid_until": builders.START + timedelta(days=1),
    }
    return Offer(**(fields | over))


def test_a_lawful_order_waits_for_an_operator_alone() -> None:
    found = verdict(pooled.scale(4), on=pooled.estate())
    assert found.decision is Decision.NEEDS_APPROVAL
    assert {f.policy for f in found.failures} == {ASKED}
    unasked = house(machines=Ordering(unasked=1))
    assert verdict(pooled.scale(4), on=pooled.estate(), bundle=unasked).decision is Decision.PERMIT
    assert verdict(pooled.scale(5), on=pooled.estate(), bundle=unasked).decision is Decision.NEEDS_APPROVAL
    other = MachineGroupId("eu-1.fleet.workers.more")
    two = pooled.estate(
        pooled.group(), pooled.group(id=other, aliases=()), under=pooled.facts(pooled.pool(), pooled.pool(id=other))
    )
    shown = two.with_stock(two.stock.with_(pooled.group(id=other, aliases=(Alias(kind=AliasKind.UID, value="uid-2"),))))
    parts = (pooled.scale(4), pooled.scale(4).model_copy(update={"group": other}))
    assert verdict(*parts, on=shown, bundle=unasked).decision is Decision.NEEDS_APPROVAL, "no order is cut into parts"


def test_what_is_reserved_or_the_least_of_a_group_does_not_leave() -> None:
    reserved = holding(reserve("r", "tenant-a", seat(pooled.SPARE, 0)), on=pooled.estate())
    kept = failing(pooled.scale(2, pooled.SPARE), on=reserved)
    assert "eu-a4 is reserved for somebody" in kept["machines-idle"]
    under = pooled.facts(pooled.pool(least=3))
    assert "3 to 8 machines" in failing(pooled.scale(2, pooled.SPARE), on=pooled.estate(under=under))["machines-size"]


def test_whose_machines_come_is_a_signed_fact_or_none_are_ordered() -> None:
    nobody = told(under=builders.facts())["facts-complete-machine-group"]
    assert "pools.eu-1.fleet.workers.gpu" in nobody
    stranger = pooled.facts(pooled.pool(provider=EntityId("us-cloud")))
    assert "clusters.eu-1.subprocessors: us-cloud" in told(under=stranger)["facts-complete-machine-group"]
    unplaced = pooled.facts(pooled.pool(racks=()))
    assert "eu-hosting owns the site" in told(under=unplaced)["facts-complete-machine-group"]


def test_machines_come_only_where_every_tenant_of_the_cluster_may_be() -> None:
    """Any of them may come to run there; the provider counts on the legal axis, as its cluster names it."""
    assert set(told(under=abroad())) == {"sovereignty-legal"}
    wide = tuple(t for t in builders.facts().tenants if t.id == "tenant-c")
    found = kernel.objections(*_asked(abroad()))
    assert {o.about for o in found} == {f"machine-group/{pooled.GROUP}"}
    assert not told(under=abroad(tenants=wide, datasets=()))


def _asked(under: Facts) -> Any:
    on = pooled.estate(under=under)
    proposed = builders.proposal(pooled.scale(4), on=on)
    return Matter.of(proposed, mandate=mandate_of(proposed)), on, (), builders.START


def test_whoever_acts_for_a_tenant_orders_for_that_tenants_own_group_only() -> None:
    acting = {"proposal": {"for_tenants": (TenantId("tenant-a"),)}}
    house_s = told(**acting)["tenant-eviction-of-machine-group"]
    assert "belongs to the house" in house_s
    own = pooled.facts(pooled.pool(tenant=TenantId("tenant-a")))
    assert not told(under=own, **acting)
    assert "tenant-eviction-of-machine-group" in told(
        under=pooled.facts(pooled.pool(tenant=TenantId("tenant-b"))), **acting
    )


def test_the_rack_and_what_feeds_it_bear_machines_that_are_still_to_come() -> None:
    """What was ordered and does not work yet counts as drawn."""
    heavy = pooled.facts(pooled.pool(watts_each=Watts(9_000)))
    draws = int(builders.estate().rack_watts(RackId("eu-b")))
    assert "rack-power" not in told(4, under=heavy)
    two = told(5, under=heavy)["rack-power"]
    assert f"18000 W more within a budget of {builders.RACK_BUDGET} W / {draws} W drawn already" in two
    coming = failing(ONTO, on=pooled.estate(pooled.group(5, 3), under=heavy))
    assert f"{draws + 18_000} W drawn already" in coming["rack-power"], "work finds the watts spoken for"
    assert "rack-power" not in failing(ONTO, on=pooled.estate(pooled.group(5), under=heavy))


def test_size_and_price_and_offer_bound_an_order() -> None:
    assert "0 to 8 machines" in told(9)["machines-size"]
    assert "at most 1 more at once" in told(5, bundle=house(machines=Ordering(added=1)))["machines-size"]
    dear = house(machines=Ordering(hourly=MicroUsdPerHour(7 * pooled.USD)))
    assert "at most 7000000 micro-USD an hour / 8000000" in told(4, bundle=dear)["machines-cost"]
    assert not told(4, bundle=house(machines=Ordering(hourly=MicroUsdPerHour(8 * pooled.USD))))
    unpriced = pooled.estate(under=pooled.facts(pooled.pool(hourly_each=None)))
    assert "no price in force" in told(4, on=unpriced, bundle=dear)["machines-cost"]
    offered = unpriced.with_stock(unpriced.stock.with_(offer(8)))
    assert "32000000 micro-USD" in told(4, on=offered, bundle=dear)["machines-cost"]
    assert set(told(5, on=offered)) == {"machines-offered"}
    rented = unpriced.with_stock(unpriced.stock.with_(offer(80, quota=16, rented=12)))
    assert "at most 4 accelerators more / 8 are ordered" in told(4, on=rented)["machines-offered"]


def test_a_tenants_ceiling_counts_its_own_groups() -> None:
    mine = pooled.facts(pooled.pool(tenant=TenantId("tenant-a")))
    poor = house(ceilings=(Ceiling(tenant=TenantId("tenant-a"), machines_hourly=MicroUsdPerHour(6 * pooled.USD)),))
    assert set(told(4, under=mine, bundle=poor)) == {"machines-cost"}
    assert not told(4, bundle=poor), "the house's groups are nobody's"


def test_an_order_counts_at_the_site_and_for_the_tenant_that_it_is_for() -> None:
    on = pooled.estate(under=pooled.facts(pooled.pool(tenant=TenantId("tenant-a"))))
    counted = {f"{sort.value} {name}" for sort, name in domains.disturbed(pooled.scale(4), on)}
    assert counted == {"tenant tenant-a", "site eu-de", "fleet fleet"}


@pytest.mark.parametrize("freeze", [{"site": "eu-de"}, {"tenant": "tenant-a"}])
def test_a_freeze_over_its_site_or_tenant_holds_an_order(freeze: dict[str, str]) -> None:

    on = pooled.estate(under=pooled.facts(pooled.pool(tenant=TenantId("tenant-a"))))
    found = standing.concern(_asked(on.facts)[0], on)
    assert freeze.get("site", "eu-de") in found.sites
    assert freeze.get("tenant", "tenant-a") in found.tenants


def test_a_warrant_is_registered_where_the_group_is_kept() -> None:
    on = pooled.estate()
    steps = builders.steps(pooled.scale(4), on=on)
    assert registering.places(steps, on) == {"eu-1": frozenset({"fleet/"})}
    assert names.slug(pooled.GROUP) == pooled.GROUP
