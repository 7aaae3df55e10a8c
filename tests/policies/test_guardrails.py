"""The guardrails of tier 1 beside the breakers: power, cooling, quotas, keys, certificates, cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.changes import SetPowerCap
from estate.facilities.cooling import Cdu, LeakSensor, Loop
from estate.facilities.places import Cooling, CoolingMethod, RackSpace, SitePlan
from estate.facilities.power import Feed, Redundancy
from estate.frozen import FrozenEstate
from estate.ids import CduId, ContractId, FeedId, LoopId, NodeId, PriceId, RackId, SiteId, TenantId, WorkloadId
from estate.itemkinds import State
from estate.items import Item
from estate.law import Certificate, DataClass, KeyModel, Quota
from estate.units import MicroUsd, MicroUsdPerHour, MilliGpu, PerMille, Watts
from estate.uses.offers import Price, Unit
from estate.uses.promises import Contract
from estate.verdicts import Decision, Dimension
from estate.workloads import Span, Workload
from policies import supplies
from policies.bundle import Bundle
from policies.holdings import Keeper
from policies.profiles import Ceiling, Profile
from tests import builders
from tests.builders import START, facts, rack
from tests.policies.asking import A_ABROAD, COPY_A_ABROAD, MOVE_A, cordon, dimensions, move, remove, scale, verdict
from tests.policies.houses import failing, house, stocked

FED = tuple(rack(r, power_feed=r) for r in ("eu-a", "eu-b", "us-a", "us-b"))
"""Each rack on a feed of its own name. Rack eu-b draws 6 800 W, and `MOVE_A` takes 1 400 W there."""


def fed(*items: Item) -> FrozenEstate:
    return stocked(*items, law_base=facts(racks=FED))


def feed(watts: int, name: str = "eu-b", **over: Any) -> Feed:
    return Feed(id=FeedId(name), capacity_watts=Watts(watts), **over)


def cdu(watts: int, name: str = "cdu-1", **over: Any) -> Cdu:
    return Cdu(id=CduId(name), loop=LoopId("loop-1"), capacity_watts=Watts(watts), **over)


def loop(watts: int) -> Loop:
    return Loop(id=LoopId("loop-1"), site=SiteId("eu-de"), capacity_watts=Watts(watts))


def space(*units: str, watts: int | None = None, name: str = "eu-b") -> RackSpace:
    offered = (Cooling(method=CoolingMethod.AIR, watts=Watts(watts)),) if watts is not None else ()
    return RackSpace(id=RackId(name), cdus=tuple(CduId(u) for u in units), cooling=offered)


WET = (LeakSensor(name="rope", wet=True),)
BEYOND: list[tuple[str, tuple[Item, ...], str]] = [
    ("a feed", (feed(8_000),), "supply-power"),
    ("a feed that failed", (feed(90_000, state=State.FAILED),), "supply-power"),
    ("a rack's air", (space(watts=8_000),), "rack-cooling"),
    ("a coolant unit", (cdu(8_000), space("cdu-1")), "supply-cooling"),
    ("a unit that leaks", (cdu(90_000, leak_sensors=WET), space("cdu-1")), "supply-cooling"),
    ("a loop behind a unit that is wide enough", (cdu(90_000), loop(8_000), space("cdu-1")), "supply-cooling"),
]  # fmt: skip


@pytest.mark.parametrize(("items", "rule"), [(i, r) for _, i, r in BEYOND], ids=[n for n, _, _ in BEYOND])
def test_no_change_takes_more_than_is_fed_and_cooled(items: tuple[Item, ...], rule: str) -> None:
    found = failing(MOVE_A, on=fed(*items))
    assert set(found) == {rule}
    assert "plan for at most" in found[rule]


PAIR = (feed(17_000, redundancy=Redundancy.TWO_N, partner=FeedId("eu-a")), feed(90_000, "eu-a"))
SITE = SitePlan(id=SiteId("eu-de"), power_watts=Watts(17_000))


@pytest.mark.parametrize(
    "items", [PAIR, (SITE,)], ids=["a pair of which either must carry both", "a site's connection"]
)
def test_a_move_within_takes_nothing_more_and_a_new_replica_does(items: tuple[Item, ...]) -> None:
    """Both racks draw 16 400 W together, and a third replica 1 400 W more."""
    third = [w.model_copy(update={"replicas": 3}) if w.id == "a-serve" else w for w in builders.default_workloads()]
    on = stocked(*items, law_base=facts(racks=FED), workloads=third)
    assert int(on.site_watts(SiteId("eu-de"))) == 16_400
    assert verdict(MOVE_A, on=on).decision is Decision.PERMIT
    assert set(failing(move("a-serve", (2, None, "eu-b2", (0, 1))), on=on)) == {"supply-power"}


@pytest.mark.parametrize(
    "items",
    [
        (feed(8_200),),
        (feed(8_200, redundancy=Redundancy.N_PLUS_1, partner=FeedId("eu-a")), feed(90_000, "eu-a")),
        (feed(8_200, redundancy=Redundancy.TWO_N, partner=FeedId("eu-a")), feed(1, "eu-a", state=State.FAILED)),
        (cdu(4_100), cdu(90_000, "cdu-2"), space("cdu-1", "cdu-2")),
        (space(watts=8_200),),
    ],
    ids=["full feed", "no pair", "half a pair", "two units", "full rack"],
)
def test_what_just_fits_is_permitted(items: tuple[Item, ...]) -> None:
    assert verdict(MOVE_A, on=fed(*items)).decision is Decision.PERMIT


def test_a_house_keeps_a_reserve() -> None:
    law, on = house(power_reserve=PerMille(100), cooling_reserve=PerMille(100)), fed(feed(9_000), space(watts=9_000))
    assert set(failing(MOVE_A, on=on, bundle=law)) == {"supply-power", "rack-cooling"}
    assert verdict(MOVE_A, on=fed(feed(9_200), space(watts=9_200)), bundle=law).decision is Decision.PERMIT


def test_what_lowers_an_overload_is_permitted_of_power_and_of_cooling() -> None:
    on = fed(feed(1_000, "eu-a"), cdu(1_000), loop(1_000), space("cdu-1", name="eu-a", watts=1_000))
    assert verdict(MOVE_A, on=on).decision is Decision.PERMIT
    assert verdict(SetPowerCap(node=NodeId("eu-a1"), watts=Watts(2_000)), on=on).decision is Decision.PERMIT


def test_a_fence_asks_nothing_of_what_feeds() -> None:
    """The part of a decision that grows with the racks of a feed is asked only where the load changes."""
    on = fed(feed(1), loop(1))
    assert verdict(cordon("eu-b1"), on=on).decision is Decision.PERMIT
    assert not list(supplies.supplies(_played(on)))


def _played(on: FrozenEstate) -> Any:
    from policies import playing

    return playing.play(on, builders.steps(cordon("eu-b1"), on=on))


# -- quotas


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """An estate in which a workload or a node is another one."""
    name = draw(st.sampled_from([w.id for w in builders.default_workloads()]))
    node = draw(st.sampled_from([n.id for n in builders.default_nodes()]))
    fewer, model = draw(st.booleans()), draw(st.sampled_from(["L40S", "H100-SXM5-80GB"]))

    def step(on: FrozenEstate) -> FrozenEstate:
        work, found = on.workload(name), on.node(node)
        if found is not None and not fewer:
            devices = tuple(a.model_copy(update={"model": model}) for a in found.accelerators)
            return on.with_node(found.model_copy(update={"accelerators": devices}))
        return on if work is None else on.with_workload(work.without(work.bindings[:1]))

    return step


def _quotas(*quotas: Quota, parent: str | None = None) -> FrozenEstate:
    above = builders.tenant("house", namespaces=(), quotas=quotas)
    own = [
        t.model_copy(update={"parent": TenantId("house") if parent else None, "quotas": () if parent else quotas})
        if t.id == "tenant-a"
        else t
        for t in facts().tenants
    ]
    third = [w.model_copy(update={"replicas": 3}) if w.id == "a-serve" else w for w in builders.default_workloads()]
    return builders.estate(law_base=facts(tenants=(*own, above)), workloads=third)


MORE = move("a-serve", (2, None, "eu-b2", (0, 1)))
"""A third replica of tenant-a's: 6 devices and 4 200 W instead of 4 and 2 800."""


@pytest.mark.parametrize("parent", [None, "house"], ids=["its own", "of who stands above it"])
@pytest.mark.parametrize(
    "quota", [Quota(accelerators=MilliGpu(5_000)), Quota(watts=Watts(4_000))], ids=["devices", "watts"]
)
def test_a_tenant_holds_no_more_than_its_quota(parent: str | None, quota: Quota) -> None:
    found = failing(MORE, on=_quotas(quota, parent=parent))
    assert set(found) == {"tenant-quota"}
    assert found["tenant-quota"].startswith(f"tenant/{parent or 'tenant-a'}: at most")
    wide = Quota(accelerators=MilliGpu(6_000), watts=Watts(4_200))
    assert verdict(MORE, on=_quotas(wide, parent=parent)).decision is Decision.PERMIT


def test_who_is_over_its_quota_may_still_move_and_stop() -> None:
    on = _quotas(Quota(accelerators=MilliGpu(1_000)))
    assert verdict(MOVE_A, on=on).decision is Decision.PERMIT
    assert verdict(scale("a-serve", 1), on=on).decision is Decision.PERMIT


H100, EU = "H100-SXM5-80GB", SiteId("eu-de")


@pytest.mark.parametrize("site", [None, EU, SiteId("us-east")])
@pytest.mark.parametrize("model", ["", H100, "L40S"])
def test_a_quota_of_one_site_or_model_counts_what_is_held_there(site: SiteId | None, model: str) -> None:
    """Of tenant-a's devices all are H100s at `eu-de`: a quota of another place or model is not touched."""
    scoped = Quota(site=site, model=model, accelerators=MilliGpu(5_000))
    found = failing(MORE, on=_quotas(scoped))
    if site in (None, EU) and model in ("", H100):
        assert found["tenant-quota"].startswith(f"tenant/tenant-a: at most 5 devices{' ' if scoped.scope else ''}")
    else:
        assert found == {}


def test_a_move_to_another_site_counts_there_and_no_more_here() -> None:
    """A quota of the whole would see nothing: as many devices as before."""
    free = builders.residency("DE", "FR", "US")
    on = _quotas(Quota(site=SiteId("us-east"), accelerators=MilliGpu(3_000)))
    tenants = tuple(t.model_copy(update={"residency": free}) for t in on.facts.tenants)
    data = tuple(d.model_copy(update={"residency": free}) for d in on.facts.datasets)
    on = builders.estate(law_base=facts(tenants=tenants, datasets=data))
    found = failing(COPY_A_ABROAD, remove("a-serve", A_ABROAD), on=on)
    assert set(found) == {"tenant-quota"}
    assert found["tenant-quota"].startswith("tenant/tenant-a: at most 3 devices at us-east / 4 devices")


def test_the_house_sets_a_ceiling_beside_the_quotas_in_the_facts() -> None:
    for tenant, refused in ((None, True), (TenantId("tenant-a"), True), (TenantId("tenant-b"), False)):
        ceiling = Ceiling(tenant=tenant, site=EU, model=H100, accelerators=MilliGpu(5_000))
        found = verdict(MORE, on=_quotas(), bundle=Bundle.load(profile=Profile(ceilings=(ceiling,))))
        assert bool(found.failures) is refused


@settings(max_examples=30)
@given(st.lists(changed(), min_size=1, max_size=6))
def test_what_is_kept_from_decision_to_decision_is_what_a_scan_would_count(steps: list[Any]) -> None:
    on, keeper = builders.estate(), Keeper()
    for step in steps:
        keeper.of(on)
        on = step(on)
        (supposed,) = keeper.beyond(builders.estate(), on)
        assert supposed == keeper.of(on) == Keeper().of(on)


# -- together and apart


def _promised(**company: Any) -> FrozenEstate:
    """`a-serve` on `eu-a1` and `eu-a2`, in one rack, with a third replica that waits."""
    work = builders.estate().workload(WorkloadId("a-serve"))
    assert work is not None
    contract = work.contract.model_copy(update=company)
    more = work.model_copy(update={"contract": contract, "replicas": 3})
    leaves = tuple(rack(r, leaf_switch=f"leaf-{r[:2]}", power_feed="one") for r in ("eu-a", "eu-b", "us-a", "us-b"))
    return builders.estate(law_base=facts(racks=leaves)).with_workload(more)


TO_ANOTHER_RACK = move("a-serve", (2, None, "eu-b2", (0, 1)))
TO_THE_SAME_NODE = move("a-serve", (2, None, "eu-a2", (4, 5)))


@pytest.mark.parametrize(
    ("company", "change", "broken"),
    [
        ({"together": Span.RACK}, TO_ANOTHER_RACK, "contract-together"),
        ({"together": Span.LEAF}, TO_ANOTHER_RACK, None),
        ({"together": Span.SITE, "spread": Span.NODE}, TO_ANOTHER_RACK, None),
        ({"together": Span.RACK}, TO_THE_SAME_NODE, None),
        ({"spread": Span.NODE}, TO_THE_SAME_NODE, "contract-spread"),
        ({"spread": Span.FEED}, TO_ANOTHER_RACK, "contract-spread"),
    ],
)
def test_replicas_stand_to_each_other_as_their_contract_says(company: Any, change: Any, broken: str | None) -> None:
    assert set(failing(change, on=_promised(**company))) == ({broken} if broken else set())


def test_only_the_end_of_all_changes_counts() -> None:
    """A whole workload moves to another rack, replica by replica: in between it is in two."""
    on = _promised(together=Span.RACK)
    steps = [
        move("a-serve", (0, "eu-a1", "eu-b2", (0, 1))),
        move("a-serve", (1, "eu-a2", "eu-b2", (2, 3))),
    ]
    assert set(failing(*steps[:1], on=on)) == {"contract-together"}
    assert failing(*steps, on=on) == {}


# -- keys and certificates


def _keyed(model: KeyModel | None, secret: DataClass | None, **over: Any) -> FrozenEstate:
    clusters = tuple(c.model_copy(update={"key_model": model} | over) for c in facts().clusters)
    data = tuple(d.model_copy(update={"data_class": secret}) for d in facts().datasets)
    return builders.estate(law_base=facts(clusters=clusters, datasets=data))


STRICT = house(key_models={DataClass.INTERNAL: KeyModel.BYOK, DataClass.RESTRICTED: KeyModel.HYOK})


@pytest.mark.parametrize(
    ("model", "secret", "permitted"),
    [
        (KeyModel.PROVIDER, DataClass.PUBLIC, True),
        (None, DataClass.PUBLIC, True),
        (KeyModel.PROVIDER, DataClass.INTERNAL, False),
        (KeyModel.BYOK, DataClass.CONFIDENTIAL, True),
        (KeyModel.BYOK, DataClass.RESTRICTED, False),
        (KeyModel.TENANT_HSM, DataClass.RESTRICTED, True),
        (None, DataClass.INTERNAL, False),
        (KeyModel.BYOK, None, False),
        (KeyModel.HYOK, None, True),
    ],
)
def test_data_of_a_class_needs_keys_of_a_model(
    model: KeyModel | None, secret: DataClass | None, permitted: bool
) -> None:
    """Unknown keys are the weakest, data of no class is the most secret."""
    found = verdict(MOVE_A, on=_keyed(model, secret), bundle=STRICT)
    assert (found.decision is Decision.PERMIT) is permitted
    if not permitted:
        assert dimensions(found) == {Dimension.KEY}
        assert "choose a cluster whose keys are" in found.failures[0].remedy


def test_what_data_was_made_of_counts_for_its_keys_too() -> None:
    base = _keyed(KeyModel.BYOK, DataClass.RESTRICTED).facts
    raw = base.datasets[0].model_copy(update={"id": "raw", "data_class": DataClass.RESTRICTED})
    made = base.datasets[0].model_copy(update={"data_class": DataClass.PUBLIC, "derived_from": ("raw",)})
    on = builders.estate(law_base=base.model_copy(update={"datasets": (raw, made)}))
    assert set(failing(MOVE_A, on=on, bundle=STRICT)) == {"key-model"}


@pytest.mark.parametrize(("days", "permitted"), [(1, True), (0, False), (-1, False)])
def test_a_house_asks_for_certificates_in_force(days: int, permitted: bool) -> None:
    held = (Certificate(scheme="SecNumCloud", valid_until=START + timedelta(days=days)),)
    on, law = _keyed(KeyModel.PROVIDER, DataClass.PUBLIC, certificates=held), house(certificates=("SecNumCloud",))
    assert (verdict(MOVE_A, on=on, bundle=law).decision is Decision.PERMIT) is permitted
    assert verdict(scale("a-serve", 1), on=on, bundle=law).decision is Decision.PERMIT
    if not permitted:
        assert "SecNumCloud" in failing(MOVE_A, on=on, bundle=law)["certified"]


# -- cost


def _priced(*prices: Price, ceiling: int | None = 9_000_000) -> FrozenEstate:
    def bound(work: Workload) -> Workload:
        limit = MicroUsdPerHour(ceiling) if ceiling is not None else None
        return work.model_copy(update={"contract": work.contract.model_copy(update={"cost_ceiling": limit})})

    return stocked(*prices, workloads=[bound(w) for w in builders.default_workloads()])


def price(amount: int, **over: Any) -> Price:
    fields: dict[str, Any] = {
        "id": PriceId(over.pop("id", f"p-{amount}")),
        "unit": Unit.GPU_HOUR,
        "amount": MicroUsd(amount),
        "stated_by": "list",
        "valid_until": START + timedelta(days=1),
    }
    return Price(**(fields | over))


EXACT = {"model": "H100-SXM5-80GB"}


@pytest.mark.parametrize(
    ("prices", "law", "permitted"),
    [
        ((price(2_250_000),), house(), True),
        ((price(2_250_001),), house(), False),
        ((price(9_000_000), price(1_000_000, **EXACT)), house(), True),
        ((price(1_000_000), price(9_000_000, **EXACT)), house(), False),
        ((price(9_000_000, valid_until=START),), house(), True),
        ((price(9_000_000, site=SiteId("us-east")),), house(), True),
        ((), house(), True),
        ((), house(prices_known=True), False),
        ((price(1),), house(prices_known=True), True),
    ],
    ids=[
        "at it",
        "above it",
        "its model cheaper",
        "its model dearer",
        "ended",
        "elsewhere",
        "unknown",
        "asked for",
        "known",
    ],
)
def test_a_workload_costs_no_more_than_its_contract_says(
    prices: tuple[Price, ...], law: Bundle, permitted: bool
) -> None:
    found = verdict(MOVE_A, on=_priced(*prices), bundle=law)
    assert (found.decision is Decision.PERMIT) is permitted
    if not permitted:
        assert dimensions(found) == {Dimension.COST}
    free = _priced(*prices, ceiling=None)
    assert verdict(MOVE_A, on=free, bundle=law).decision is Decision.PERMIT


def test_a_ceiling_counts_wherever_it_is_written_and_until_it_ends() -> None:
    promised = builders.contract(2, cost_ceiling=MicroUsdPerHour(9_000_000))
    fields: dict[str, Any] = {"id": ContractId("c"), "workload": WorkloadId("a-serve"), "promised": promised}
    held = Contract(**fields, valid_until=START + timedelta(days=1))
    assert "contract-cost" in failing(MOVE_A, on=stocked(price(9_000_000), held), bundle=house())
    over = Contract(**fields, valid_until=START)
    assert verdict(MOVE_A, on=stocked(price(9_000_000), over), bundle=house()).decision is Decision.PERMIT


def test_stopping_costs_nothing_and_waits_for_no_price() -> None:
    on = _priced(price(9_000_000))
    assert verdict(scale("a-serve", 1), on=on).decision is Decision.PERMIT
