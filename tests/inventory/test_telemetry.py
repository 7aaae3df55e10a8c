"""Readings reach every process resolved, with their own times; none is made up, none holds up what must not wait."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.frozen import FrozenEstate
from estate.ids import InstallationId, WorkloadId
from estate.readings import MOST_THINGS, Gauge, Reading, Telemetry, throttle_reasons
from estate.references import Ref
from estate.subjects import Subjects
from tests import builders
from tests import items as building
from tests.conftest import Connect
from tests.inventory.following import ENVELOPE, ListSource, running, until, verify, writer
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus
from tools.bus.streams import TELEMETRY, streams
from tools.inventory.claiming.names import Names
from tools.inventory.columns.engine import Inventory
from tools.inventory.follower import Follower
from tools.inventory.port import Heard, Observed
from tools.inventory.telemetry.holding import FORGET, Holder
from tools.inventory.telemetry.reporting import MOST_WAITING, Reporter, Round
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence, Readings, Writing

DEVICE, NODE = Ref("accelerator", "eu-a1/0"), Ref("node", "eu-a1")
NOW = builders.START


def gpu(node: str = "eu-a1", index: int = 0) -> Mention:
    return Mention(MentionKind.GPU_UUID, f"GPU-{node}-{index}")


def port(name: str = "mlx5_0/1") -> Mention:
    return Mention(MentionKind.PORT, name, "eu-a1.eu.example")


def server(pod: str) -> Mention:
    return Mention(MentionKind.MODEL_SERVER, f"tenant-a/{pod}", "eu-1", "mistral")


def measured(at: datetime, *rows: tuple[Mention, Metric, float | None]) -> Readings:
    writing = Writing("prometheus/main", at)
    for subject, metric, value in rows:
        writing.add(subject, metric, value)
    return writing.done()


@dataclass
class Wire:
    """A writer's side and a follower's, without a bus between them."""

    estate: FrozenEstate = field(default_factory=builders.estate)
    clock: builders.TestClock = field(default_factory=builders.TestClock)
    holder: Holder = field(default_factory=lambda: Holder(builders.INSTALLATION))

    def __post_init__(self) -> None:
        subjects = Subjects(builders.INSTALLATION)
        self.reporter = Reporter(cast("Bus", None), subjects, self.clock, epoch=1)
        self.inventory = Inventory(self.estate.facts)
        for node in self.estate.nodes():
            self.inventory.machines.put(node)

    def tell(self, *rows: tuple[Mention, Metric, float | None], at: datetime | None = None) -> list[Telemetry]:
        """A round, from the target to the follower; what was on the wire."""
        return self.say(measured(at or self.clock.now, *rows))

    def say(self, *readings: Readings) -> list[Telemetry]:
        heard = Heard("main", self.clock.now, readings=readings)
        told = list(self.reporter.told(Round("prometheus", heard, Names(), self.estate)))
        for record in told:
            assert self.holder.take(record.canonical(), self.inventory, 1)
        return told

    def read(self, ref: Ref) -> dict[Gauge, int | None]:
        return {r.gauge: r.value for r in self.readings(ref)}

    def readings(self, ref: Ref) -> tuple[Reading, ...]:
        return self.inventory.snapshot(builders.version()).measuring(self.holder.table).readings(ref)


def test_a_devices_readings_arrive_in_the_columns_with_their_source_and_time() -> None:
    wire = Wire()
    wire.tell(
        (gpu(), Metric.GPU_TEMPERATURE, 71.5),
        (gpu(), Metric.GPU_POWER, 612.25),
        (gpu(), Metric.GPU_MEMORY_USED, 2.0**30),
        (gpu(), Metric.GPU_USE, 0.875),
        (gpu(), Metric.GPU_LAST_XID, 79.0),
        (gpu(index=1), Metric.GPU_TEMPERATURE, 80.0),
        (gpu(index=2), Metric.GPU_TEMPERATURE, None),
    )
    assert wire.read(DEVICE) == {
        Gauge.TEMPERATURE: 71_500,
        Gauge.POWER: 612_250,
        Gauge.MEMORY_USED: 1_024,
        Gauge.UTILISATION: 875,
        Gauge.XID: 79,
    }
    assert {(r.source, r.at) for r in wire.readings(DEVICE)} == {("prometheus/main", NOW)}
    assert wire.read(Ref("accelerator", "eu-a1/2")) == {Gauge.TEMPERATURE: None}, "blank is told, and is no number"
    assert wire.read(NODE) == {Gauge.TEMPERATURE: 80_000}, "a node is as hot as its hottest device"


def test_a_device_is_known_by_its_number_and_address_on_its_host() -> None:
    wire = Wire()
    wire.tell(
        (Mention(MentionKind.GPU_INDEX, "3", "eu-a1.eu.example"), Metric.GPU_TEMPERATURE, 50.0),
        (Mention(MentionKind.PCI_ADDRESS, "0000:1b:00.0", "eu-a1.eu.example"), Metric.GPU_TEMPERATURE, 60.0),
        (Mention(MentionKind.GPU_UUID, "GPU-nobodys"), Metric.GPU_TEMPERATURE, 70.0),
        (Mention(MentionKind.GPU_UUID, "GPU-eu-a1-5", part="mig/1"), Metric.GPU_TEMPERATURE, 90.0),
    )
    found = {n: wire.read(Ref("accelerator", f"eu-a1/{n}")).get(Gauge.TEMPERATURE) for n in range(8)}
    assert {n: v for n, v in found.items() if v is not None} == {3: 50_000, 4: 60_000}


def test_what_was_told_before_is_not_told_again_as_if_it_were_new() -> None:
    """A target that is gone leaves its last samples in Prometheus' window: they age."""
    wire = Wire()
    rows = [(gpu(), Metric.GPU_TEMPERATURE, 71.0), (gpu("eu-a2"), Metric.GPU_TEMPERATURE, 50.0)]
    wire.tell(*rows)
    wire.clock.advance(15)
    old, new = measured(NOW, *rows), measured(wire.clock.now, *rows)
    wire.say(
        Readings(
            old.source, old.subjects, old.subject, old.metric, old.value, old.presence, np.array([old.at[0], new.at[1]])
        )
    )
    assert [r.at for r in wire.readings(DEVICE)] == [NOW]
    assert [r.at for r in wire.readings(Ref("accelerator", "eu-a2/0"))] == [wire.clock.now]
    assert wire.tell(*rows, at=NOW) == []
    assert wire.tell(*rows, at=wire.clock.now + timedelta(minutes=5)) == [], "nobody measures the future"


def test_every_gauge_of_every_thing_is_as_old_as_its_own_sample() -> None:
    """One round brings samples of many scrapes: a thing that was scraped lately looks no older for its neighbours."""
    wire, start = Wire(), int(NOW.timestamp() * 1000)
    said = measured(
        NOW,
        (gpu(), Metric.GPU_TEMPERATURE, 71.0),
        (gpu(), Metric.GPU_POWER, 600.0),
        (gpu("eu-a2"), Metric.GPU_TEMPERATURE, 72.0),
        (gpu("eu-a2"), Metric.GPU_POWER, 601.0),
        (port(), Metric.PORT_UP, 1.0),
    )
    at = np.array([start - 9_000, start - 9_000, start - 4_000, start - 1_000, start - 2_500])
    records = wire.say(replace(said, at=at))
    assert sum(bool(r.devices) for r in records) == 3, "what was scraped at one time is told together"
    ages = {
        (str(ref), r.gauge): (wire.clock.now - r.at).total_seconds()
        for ref in (DEVICE, Ref("accelerator", "eu-a2/0"), Ref("port", "eu-a1/mlx5_0/1"))
        for r in wire.readings(ref)
    }
    assert ages == {
        ("accelerator/eu-a1/0", Gauge.TEMPERATURE): 9,
        ("accelerator/eu-a1/0", Gauge.POWER): 9,
        ("accelerator/eu-a2/0", Gauge.TEMPERATURE): 4,
        ("accelerator/eu-a2/0", Gauge.POWER): 1,
        ("port/eu-a1/mlx5_0/1", Gauge.LINK_UP): 2.5,
    }


def test_two_sources_that_measure_one_thing_do_not_take_turns() -> None:
    """The one whose name comes first speaks while it speaks; the other one a minute after it fell silent."""
    wire, first, second = Wire(), "prometheus/a", "redfish/b"
    heard = list[str]()
    for seconds, source in ((0, second), (1, first), (2, second), (61, second), (62, second)):
        wire.clock.now = at = NOW + timedelta(seconds=seconds)
        said = measured(at, (gpu(), Metric.GPU_POWER, 1.0), (port(), Metric.PORT_UP, 1.0))
        said = replace(said, source=source)
        for record in wire.reporter.told(Round(source, Heard(source, at, readings=(said,)), Names(), wire.estate)):
            wire.holder.take(record.canonical(), wire.inventory, 1)
        tellers = {r.source for ref in (DEVICE, Ref("port", "eu-a1/mlx5_0/1")) for r in wire.readings(ref)}
        heard += sorted(tellers)
    assert heard == [second, first, first, first, second]


def test_counters_are_told_as_what_they_grow_by() -> None:
    wire = Wire()
    sent = Ref("port", "eu-a1/mlx5_0/1")
    wire.tell((port(), Metric.PORT_SENT, 1e9))
    assert wire.read(sent)[Gauge.SENT] is None, "one reading of a counter says nothing"
    wire.clock.advance(10)
    wire.tell((port(), Metric.PORT_SENT, 1e9 + 1.25e9))
    assert wire.read(sent)[Gauge.SENT] == 1_000
    wire.clock.advance(10)
    wire.tell((port(), Metric.PORT_SENT, 5.0))
    assert wire.read(sent)[Gauge.SENT] is None, "it was reset"
    wire.clock.advance(3600)
    wire.tell((port(), Metric.PORT_SENT, 1e12))
    assert wire.read(sent)[Gauge.SENT] is None, "an hour's mean is not now"


def test_a_links_use_is_read_at_its_first_end_alone() -> None:
    link = building.item(
        "link", id="up-1", ends=[{"of": "switch/leaf-1", "port": "e1"}, {"of": "switch/spine-1", "port": "e9"}]
    )
    wire = Wire(builders.estate().with_stock(builders.estate().stock.with_(link)))
    ends = [Mention(MentionKind.SWITCH_PORT, p, s) for s, p in (("leaf-1", "e1"), ("spine-1", "e9"))]
    for count in (0.0, 1.25e9):
        wire.tell((ends[0], Metric.PORT_SENT, count), (ends[1], Metric.PORT_SENT, 7 * count))
        wire.clock.advance(10)
    assert wire.read(link.ref) == {Gauge.SENT: 1_000}


def test_servers_of_one_workload_make_its_figures_together() -> None:
    wire = Wire()
    pods = ("a-serve-7c9f-aa", "a-serve-7c9f-bb")
    wire.tell(
        *((server(p), Metric.REQUESTS_WAITING, n) for p, n in zip(pods, (3.0, 4.0), strict=True)),
        *((server(p), Metric.FIRST_TOKEN_P95, n) for p, n in zip(pods, (0.25, 0.5), strict=True)),
    )
    assert wire.read(Ref("workload", WorkloadId("a-serve"))) == {Gauge.WAITING: 7, Gauge.FIRST_TOKEN: 500_000}


def test_a_large_layout_is_resolved_once_and_told_in_parts() -> None:
    """What a round costs after the first is arithmetic: names are not looked up again."""
    nodes = tuple(builders.node(f"eu-a{n}") for n in range(1, 161))
    wire = Wire(builders.estate(nodes=nodes, workloads=()))
    rows = [(gpu(n.id, i), Metric.GPU_TEMPERATURE, 40.0 + i) for n in nodes for i in range(8)]
    asked: list[Mention] = []

    class Counting(Names):
        def place(self, mention: Mention, snapshot: object) -> object:  # type: ignore[override]
            asked.append(mention)
            return Names.place(self, mention, snapshot)  # type: ignore[arg-type]

    for _ in range(3):
        heard = Heard("main", wire.clock.now, readings=(measured(wire.clock.now, *rows),))
        told = list(wire.reporter.told(Round("prometheus", heard, Counting(), wire.estate)))
        assert [len(t.devices or t.things) for t in told] == [MOST_THINGS, 1280 - MOST_THINGS, 160]
        wire.clock.advance(15)
    assert len(asked) == len(rows)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([gpu(), gpu(index=1), port(), server("x"), Mention(MentionKind.HOSTNAME, "?")]),
            st.sampled_from(Metric),
            st.one_of(st.floats(), st.just(math.inf), st.none()),
        ),
        max_size=30,
    )
)
def test_whatever_is_measured_is_told_within_what_is_kept_or_not_at_all(
    rows: list[tuple[Mention, Metric, float | None]],
) -> None:
    wire = Wire()
    for _ in range(2):
        for told in wire.tell(*rows):
            assert all(v is None or abs(v) < 2**31 for column in told.columns.values() for v in column)
        wire.clock.advance(1)


def test_absent_is_not_told_at_all() -> None:
    wire, writing = Wire(), Writing("x", NOW)
    writing.add(gpu(), Metric.GPU_POWER, None, Presence.ABSENT)
    assert wire.say(writing.done()) == []
    assert wire.readings(DEVICE) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b'{"kind": "placet.telemetry", "v": 9}',
        b'{"kind": "placet.delta", "v": 1}',
        Telemetry(
            installation=InstallationId("other"), epoch=9, source="s", at=NOW, devices=("GPU-eu-a1-0",), columns={}
        ).canonical(),
        Telemetry(
            installation=builders.INSTALLATION, epoch=0, source="s", at=NOW, devices=("GPU-eu-a1-0",), columns={}
        ).canonical(),
    ],
)
def test_what_cannot_be_read_or_is_of_another_epoch_changes_nothing(data: bytes) -> None:
    wire = Wire()
    assert not wire.holder.take(data, wire.inventory, 1)
    assert wire.holder.refused == 1


def test_a_gauge_of_a_later_placet_is_passed_over() -> None:
    wire = Wire()
    told = Telemetry(
        installation=builders.INSTALLATION,
        epoch=1,
        source="s",
        at=NOW,
        things=("node/eu-a1", "no reference"),
        columns={"humidity_permille": (1, 1), "power_milliwatts": (5, 6)},
    )
    assert wire.holder.take(told.canonical(), wire.inventory, 1)
    assert wire.read(NODE) == {Gauge.POWER: 5}


def test_what_nobody_measures_any_more_is_forgotten() -> None:
    wire = Wire()
    wire.tell((port("a/1"), Metric.PORT_UP, 1.0))
    wire.clock.advance(FORGET.total_seconds() + 1)
    wire.tell((port("b/1"), Metric.PORT_UP, 1.0))
    assert [ref.id for ref in wire.holder.table] == ["eu-a1/b/1"]


def test_the_bits_of_throttling_are_told_in_words() -> None:
    assert [r.value for r in throttle_reasons(0x44)] == ["software-power-cap", "hardware-thermal"]
    assert [r.value for r in throttle_reasons(1 << 20)] == ["other"]


async def test_rounds_that_come_too_fast_are_left_out_and_counted() -> None:
    wire = Wire()
    for _ in range(MOST_WAITING + 3):
        wire.reporter.add(Round("s", Heard("t", NOW), Names(), wire.estate))
    assert wire.reporter.dropped == 3


async def test_every_follower_has_the_readings_and_a_bus_that_loses_them_stops_no_delta(
    connect_either: Connect, installation: InstallationId, subjects: Subjects
) -> None:
    bus = await connect_either()
    await bus.declare(*streams(subjects))
    source = ListSource(Observed("s", nodes=builders.default_nodes(), whole=True))
    followers = [Follower(await connect_either(), subjects, verify) for _ in range(2)]

    def hot(estate: FrozenEstate) -> bool:
        return any(r.value == 71_000 for r in estate.readings(DEVICE))

    async with running(writer(bus, installation, source).run(ENVELOPE, verify), *(f.run() for f in followers)):
        await followers[0].ready()
        heard = Heard("main", NOW, readings=(measured(NOW, (gpu(), Metric.GPU_TEMPERATURE, 71.0)),))
        await bus.publish(subjects.telemetry(), b"garbage", message_id="junk")
        await source.later.put(Observed("prometheus", heard=(heard,)))
        first, second = [await until(f.newest, hot) for f in followers]
        assert first.version == second.version
        await source.later.put(Observed("s", nodes=(builders.node("eu-a1", cordoned=True),)))
        later = await until(followers[0].newest, lambda e: e.version != first.version)
        assert hot(later), "a delta takes no reading away"
        assert first.with_node(builders.node("eu-a2", cordoned=True)).readings(NODE)
        assert len(await bus.replay(TELEMETRY)) == 3, "one of devices, one of nodes, and the garbage"


async def test_a_delta_does_not_wait_for_telemetry(
    memory_broker: MemoryBroker, installation: InstallationId, subjects: Subjects
) -> None:
    """A hundred large rounds are under way, most of them still to be told when the cordon is followed."""
    bus = memory_broker.connect(subjects)
    await bus.declare(*streams(subjects))
    nodes = tuple(builders.node(f"eu-a{n}") for n in range(1, 101))
    source, follower = ListSource(Observed("s", nodes=nodes, whole=True)), Follower(bus, subjects, verify)
    rows = [(gpu(n.id, i), Metric.GPU_TEMPERATURE, 40.0) for n in nodes for i in range(8)]
    async with running(writer(bus, installation, source).run(ENVELOPE, verify), follower.run()):
        await follower.ready()
        for second in range(100):
            heard = Heard("main", NOW, readings=(measured(NOW + timedelta(milliseconds=second), *rows),))
            await source.later.put(Observed("prometheus", heard=(heard,)))
        await source.later.put(Observed("s", nodes=(builders.node("eu-a1", cordoned=True),)))
        fenced = await until(follower.newest, lambda e: any(n.cordoned for n in e.nodes()))
        assert fenced.version.sequence > 1
        assert len(await bus.replay(TELEMETRY)) < 100


async def test_where_nobody_made_the_stream_deltas_are_told_and_followed_all_the_same(
    connect_either: Connect, installation: InstallationId, subjects: Subjects
) -> None:
    """Processes apart that were upgraded and not provisioned again."""
    bus = await connect_either()
    await bus.declare(*(spec for spec in streams(subjects) if spec.name != TELEMETRY))
    source = ListSource(Observed("s", nodes=builders.default_nodes(), whole=True))
    follower = Follower(bus, subjects, verify)
    async with running(writer(bus, installation, source).run(ENVELOPE, verify), follower.run()):
        await follower.ready()
        heard = Heard("main", NOW, readings=(measured(NOW, (gpu(), Metric.GPU_TEMPERATURE, 71.0)),))
        await source.later.put(Observed("prometheus", heard=(heard,)))
        await source.later.put(Observed("s", nodes=(builders.node("eu-a1", cordoned=True),)))
        await until(follower.newest, lambda e: any(n.cordoned for n in e.nodes()))
