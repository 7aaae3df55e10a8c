"""A made-up estate is one that could be: it agrees with itself, keeps its own law, and is the same for everybody."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate import neighbours
from estate.devices import Vendor
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.items import KINDS
from estate.law import Isolation
from estate.references import Chain, Ref
from policies import reviewing
from policies.bundle import Bundle
from tests import builders
from tools.generation.estates import Generated, generate
from tools.generation.layouts import Odds
from tools.generation.sizes import Size
from tools.inventory import declarations, files, findings, writing

UNTIL = datetime(2027, 12, 31, tzinfo=UTC)
MISSING = {"virtual-machine", "machine-group", "health-check", "component", "part", "reservation", "source"}
"""Kinds that nobody makes up: they come from what a cluster runs, what a BMC says, and whom the inventory hears."""
sizes = st.builds(
    Size,
    sites=st.integers(1, 3),
    racks=st.integers(1, 5),
    seed=st.integers(0, 2**31),
    valid_until=st.just(UNTIL),
    tenants=st.integers(1, 12),
    odds=st.builds(Odds, busy=st.integers(0, 1000)),
)


@cache
def usual() -> Generated:
    """Three sites with twelve racks each."""
    return generate(Size(3, 12, 7, UNTIL))


def snapshot(made: Generated) -> FrozenEstate:
    return FrozenEstate.of(builders.version(), made.facts, made.world.nodes, made.world.workloads, made.items)


@settings(max_examples=6)
@given(sizes)
def test_the_same_size_and_seed_make_the_same_estate(size: Size) -> None:
    one, other = generate(size), generate(size)
    assert (one.facts.digest, one.world.digest, one.file().digest) == (
        other.facts.digest,
        other.world.digest,
        other.file().digest,
    )


def test_another_seed_makes_another_estate() -> None:
    digests = {generate(Size(1, 4, seed, UNTIL)).world.digest for seed in range(5)}
    assert len(digests) == 5


@settings(max_examples=6)
@given(sizes)
def test_facts_and_world_agree(size: Size) -> None:
    made = generate(size)
    assert findings.cross_check(made.facts, made.world) == ()
    assert not list(snapshot(made).stock.dangling(lambda ref: _elsewhere(made, ref)))


def _elsewhere(made: Generated, ref: Ref) -> bool:
    known: dict[str, Any] = {
        "site": made.facts.site,
        "rack": made.facts.rack,
        "cluster": made.facts.cluster,
        "tenant": made.facts.tenant,
        "dataset": made.facts.dataset,
        "node": made.facts.rack_of,
        "workload": {w.id for w in made.world.workloads},
    }
    return ref.id in known.get(ref.kind, ())


@settings(max_examples=6)
@given(sizes)
def test_everything_that_works_does_so_lawfully(size: Size) -> None:
    """Asked of Cedar and of the kernel, as at first contact with a cluster."""
    reviews = reviewing.review(snapshot(generate(size)), Bundle.load(), builders.START)
    assert [r for r in reviews if not r.lawful] == []


@settings(max_examples=6)
@given(sizes)
def test_no_rack_draws_more_than_its_budget(size: Size) -> None:
    estate = snapshot(generate(size))
    assert all(estate.rack_watts(r.id) <= r.power_budget_watts for r in estate.facts.racks)


@settings(max_examples=6)
@given(sizes)
def test_no_device_is_held_twice_and_none_that_failed_works(size: Size) -> None:
    made = generate(size)
    held = [(b.node, i) for w in made.world.workloads for b in w.bindings for i in b.accelerators]
    fit = {(n.id, a.index) for n in made.world.nodes for a in n.accelerators if a.health == "healthy"}
    assert len(held) == len(set(held))
    assert set(held) <= fit


def test_an_estate_of_some_size_is_mixed() -> None:
    made = usual()
    devices = [a for n in made.world.nodes for a in n.accelerators]
    assert {a.vendor for a in devices} >= {Vendor.NVIDIA, Vendor.AMD}
    assert len({a.generation for a in devices}) >= 4
    assert {t.isolation for t in made.facts.tenants} >= {Isolation.SHARED_NODE, Isolation.DEDICATED_NODE}
    assert {t.parent is None for t in made.facts.tenants} == {True, False}
    assert len({tuple(t.residency.geographic) for t in made.facts.tenants}) >= 2
    assert len({i.kind for i in made.items}) == len(set(KINDS) - MISSING)
    busy = sum(len(b.accelerators) for w in made.world.workloads for b in w.bindings)
    assert 0.3 < busy / len(devices) < 0.7


def test_failure_domains_reach_from_the_device_to_the_grid() -> None:
    estate = snapshot(usual())
    node = next(n for n in estate.nodes() if n.accelerators and n.accelerators[0].nvlink_domain)
    kinds = {ref.kind for ref in neighbours.domains(estate, neighbours.accelerator(node.id, 0))}
    assert kinds >= {"nvlink-domain", "node", "rack", "row", "site", "region", "pdu", "feed", "ups", "transformer"}
    assert kinds >= {"substation", "switch", "fabric"}


def test_one_feed_takes_nothing_down_and_the_substation_everything_at_its_site() -> None:
    estate = snapshot(usual())
    feed, station = Ref("feed", "s1-feed-a"), Ref("substation", "s1-substation")
    racks = {Ref("rack", r.id) for r in estate.facts.racks if r.site == "s1"}
    assert not racks & neighbours.struck(estate, feed)
    assert racks <= neighbours.struck(estate, station)
    assert racks <= set(neighbours.members(estate, station, Chain.POWER))


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    made = generate(Size(2, 2, 7, UNTIL))
    records = {"facts": made.facts, "world": made.world, "estate": made.file()}
    for name, record in records.items():
        (tmp_path / f"{name}.yaml").write_text(writing.text(record, f"./{name}.schema.json"))
    assert files.load_facts(tmp_path / "facts.yaml") == made.facts
    assert files.load_world(tmp_path / "world.yaml") == made.world
    read = declarations.load([tmp_path / "estate.yaml"], made.facts)
    assert tuple(i.model_copy(update={"origins": ()}) for i in read) == made.items


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match="`1001` is not"):
        Odds(busy=1001)


@pytest.mark.parametrize("over", [{"sites": 0}, {"racks": 6_000}, {"tenants": 0}])
def test_a_size_that_cannot_be_is_refused(over: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=r"`\d+` is not"):
        Size(**{"sites": 1, "racks": 1, "seed": 1, "valid_until": UNTIL, **over})  # type: ignore[arg-type]
