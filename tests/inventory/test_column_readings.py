"""Telemetry: every reading lands on its device, every watt in its rack, and what is no value is never taken for one."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from estate.ids import NodeId, RackId, SiteId
from estate.readings import Gauge, Reading
from tests import builders
from tests.inventory.columns_histories import FACTS
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.grounds import ColumnarGround
from tools.inventory.columns.origins import Told
from tools.inventory.columns.readings import ABSENT, BLANK, NOT_A_NUMBER, Batch, Metric
from tools.inventory.columns.sums import MILLIWATTS

NODES = builders.default_nodes()
UUIDS = tuple(a.uuid for n in NODES for a in n.accelerators)
TOLD = Told("dcgm", 1_000)
_values = st.one_of(
    st.integers(0, 10**6).map(float), st.just(math.nan), st.just(math.inf), st.just(-math.inf), st.just(1e30)
)


def filled() -> Inventory:
    inventory = Inventory(FACTS[0])
    for node in NODES:
        inventory.put_node(node, TOLD)
    return inventory


def frozen(inventory: Inventory) -> ColumnarGround:
    return inventory.freeze()


@st.composite
def batches(draw: st.DrawFn) -> tuple[tuple[str, ...], list[float], list[bool]]:
    """Readings of some devices in any order, one of them unknown."""
    uuids = tuple(draw(st.lists(st.sampled_from((*UUIDS, "GPU-nobodys")), unique=True, min_size=1, max_size=30)))
    return uuids, [draw(_values) for _ in uuids], [not draw(st.integers(0, 4)) for _ in uuids]


@given(st.lists(batches(), min_size=1, max_size=5))
def test_readings_and_sums_are_those_of_the_last_values(
    told: list[tuple[tuple[str, ...], list[float], list[bool]]],
) -> None:
    inventory, expected = filled(), dict.fromkeys(UUIDS, ABSENT)
    for uuids, values, blank in told:
        taken = inventory.read(
            inventory.roster(uuids), Batch(Metric.POWER, np.array(values), TOLD, np.array(blank, dtype=np.bool_))
        )
        assert taken.values + taken.blank + taken.not_numbers + taken.refused + taken.unknown == len(uuids)
        expected |= {u: e for u, v, b in zip(uuids, values, blank, strict=True) if (e := _kept(v, b)) is not None}
    expected.pop("GPU-nobodys", None)
    ground = frozen(inventory)
    assert {u: ground.reading(Metric.POWER, u) for u in UUIDS} == expected
    drawn = {n.id: sum(max(expected[a.uuid], 0) for a in n.accelerators) for n in NODES}
    for rack in FACTS[0].racks:
        assert ground.racks.of(rack.id, MILLIWATTS) == sum(drawn.get(n, 0) for n in rack.nodes)
    for site in FACTS[0].sites:
        racks = (r for r in FACTS[0].racks if r.site == site.id)
        assert ground.sites.of(site.id, MILLIWATTS) == sum(drawn.get(n, 0) for r in racks for n in r.nodes)


def test_what_is_gone_draws_nothing_and_what_moves_draws_elsewhere() -> None:
    inventory = filled()
    inventory.read(inventory.roster(UUIDS), Batch(Metric.POWER, np.full(len(UUIDS), 1_000.0), TOLD))
    inventory.drop_node(NodeId("eu-a1"))
    ground = frozen(inventory)
    assert ground.racks.of(RackId("eu-a"), MILLIWATTS) == 3 * 8 * 1_000
    inventory.put_node(NODES[0], TOLD)
    assert frozen(inventory).reading(Metric.POWER, UUIDS[0]) == ABSENT
    inventory.obey(FACTS[1])
    ground = frozen(inventory)
    assert ground.racks.of(RackId("eu-a"), MILLIWATTS) == 2 * 8 * 1_000  # eu-a2 and eu-b1 stand there now
    assert ground.sites.of(SiteId("eu-de"), MILLIWATTS) == 2 * 8 * 1_000


def test_a_roster_is_resolved_anew_when_devices_move() -> None:
    """A freed row that became another device's must not be given the former one's readings."""
    inventory = filled()
    roster = inventory.roster(UUIDS[:8])
    inventory.drop_node(NODES[0].id)
    inventory.put_node(builders.node("eu-a4", accelerators=8), TOLD)
    taken = inventory.read(roster, Batch(Metric.XID, np.full(8, 79.0), TOLD))
    assert (taken.values, taken.unknown) == (0, 8)


def test_each_layer_knows_whose_word_it_is() -> None:
    inventory = filled()
    inventory.put_node(NODES[0], Told("kubernetes/eu-1", 5))
    inventory.read(inventory.roster(UUIDS[:1]), Batch(Metric.TEMPERATURE, np.array([61_000.0]), Told("dcgm", 7)))
    ground = frozen(inventory)
    assert ground.node_told(NODES[0].id) == Told("kubernetes/eu-1", 5)
    assert [(r.source, r.value) for r in ground.measured(UUIDS[0])] == [("dcgm", 61_000)]
    assert ground.measured(UUIDS[1]) == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["dcgm", "bmc", "amd"]),
            st.integers(0, 200),
            st.sampled_from([Metric.POWER, Metric.XID]),
            st.dictionaries(st.integers(0, 3), st.integers(0, 30), min_size=1),
        ),
        max_size=8,
    )
)
def test_each_gauge_of_each_device_is_of_the_source_and_the_second_that_a_plain_table_would_hold(
    told: list[tuple[str, int, Metric, dict[int, int]]],
) -> None:
    inventory, expected = filled(), dict[tuple[str, Gauge], Reading]()
    for number, (source, at, metric, rows) in enumerate(told):
        uuids, after = [UUIDS[d] for d in rows], np.array([1000 * late for late in rows.values()])
        values = np.full(len(rows), float(number))
        inventory.read(inventory.roster(uuids), Batch(metric, values, Told(source, 1000 * at), after=after))
        for late, uuid in zip(rows.values(), uuids, strict=True):
            key = uuid, Gauge(metric.value)
            reading = Reading(key[1], number, datetime.fromtimestamp(at + late, UTC), source)
            if key not in expected or reading.goes_before(expected[key]):
                expected[key] = reading
    ground = frozen(inventory)
    assert {(u, r.gauge): r for u in UUIDS for r in ground.measured(u)} == expected


def _kept(value: float, blank: bool) -> int | None:
    if blank:
        return BLANK
    if math.isnan(value):
        return NOT_A_NUMBER
    return int(value) if math.isfinite(value) and value < 2**31 else None
