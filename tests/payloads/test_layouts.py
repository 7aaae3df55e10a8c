"""A target's later scrapes are read by the memory of the first one: faster, and never otherwise."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.payloads.samples import EXPOSITION
from tools.payloads.facts.readings import Presence
from tools.payloads.telemetry import tables
from tools.payloads.telemetry.layouts import Layout
from tools.payloads.telemetry.series import Target

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
GPU = "GPU-5c1b7a52-0000-4000-8000-000000000001"
HOST = Target("gpu-7", "eu-1")
BLANKS = ("9223372036854775792", "9223372036854775793", "9223372036854775794", "9223372036854775795")

names = st.sampled_from(
    ["DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "vllm:num_requests_waiting", "up"]
)
values = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["0", "1e3", "NaN", "+Inf", *BLANKS]
)
label = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)


def line(name: str, pod: str, value: str, stamp: str) -> str:
    shown = pod.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}{{gpu="0",UUID="GPU-1",instance="a",pod="{shown}"}} {value}{stamp}'


lines = st.lists(st.builds(line, names, label, values, st.sampled_from(["", " 1764158400000"])), max_size=8)


@given(scrapes=st.lists(lines, min_size=1, max_size=5))
def test_a_remembered_target_reads_what_a_new_one_reads(scrapes: list[list[str]]) -> None:
    """Whatever stood in the scrapes before: the memory changes speed and nothing else."""
    remembered = Layout("s", HOST)
    for scrape in scrapes:
        body = "\n".join(scrape).encode()
        for _ in range(2):
            known, fresh = remembered.read(body, NOON), Layout("s", HOST).read(body, NOON)
            assert list(known.readings) == list(fresh.readings)
            assert known.ignored == fresh.ignored


@given(scrape=lines)
def test_values_are_those_that_prometheus_own_client_reads(scrape: list[str]) -> None:
    """Held against another parser of the format: same samples, same numbers, same times."""
    body = "\n".join(scrape) + "\n"
    samples = [s for family in text_string_to_metric_families(body) for s in family.samples]
    rows = {(s.name, s.labels["pod"], s.timestamp): (s, tables.row(s.name, s.labels)) for s in samples}
    found = Layout("s", HOST).read(body.encode(), NOON).readings
    assert len(found) == len(scrape)
    for reading, text in zip(found, scrape, strict=True):
        (theirs,) = [s for f in text_string_to_metric_families(f"{text}\n") for s in f.samples]
        row = tables.row(theirs.name, theirs.labels)
        assert row is not None
        assert reading.metric is row.metric
        assert reading.at == (datetime.fromtimestamp(theirs.timestamp, UTC) if theirs.timestamp else NOON)
        if reading.value is not None:
            assert math.isclose(reading.value, float(theirs.value) * row.scale, rel_tol=1e-12, abs_tol=1e-300)
        else:
            assert not math.isfinite(theirs.value) or theirs.value >= 2**31 - 16
    assert len(rows) <= len(scrape)


def test_dcgm_tells_no_value_from_no_sensor() -> None:
    """All four 64-bit blanks are one number to a float: the text decides."""
    body = "\n".join(f'DCGM_FI_DEV_MEMORY_TEMP{{gpu="{n}"}} {blank}' for n, blank in enumerate(BLANKS))
    found = Layout("s", HOST).read(body.encode(), NOON).readings
    assert [r.presence for r in found] == [Presence.BLANK, Presence.ABSENT, Presence.ABSENT, Presence.BLANK]


def test_a_counter_may_pass_the_smaller_blanks_and_a_gauge_may_not() -> None:
    body = "\n".join(
        f'DCGM_FI_DEV_{name}{{gpu="0"}} {value}'
        for name in ("TOTAL_ENERGY_CONSUMPTION", "POWER_USAGE")
        for value in (2147483632, 140737488355329)
    )
    found = Layout("s", HOST).read(body.encode(), NOON).readings
    assert [r.presence for r in found] == [Presence.MEASURED, Presence.MEASURED, Presence.BLANK, Presence.ABSENT]


def test_a_faulty_series_is_told_once_and_counted_after() -> None:
    layout = Layout("s")
    body = b'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 61\nDCGM_FI_DEV_GPU_TEMP{UUID="GPU-1"} 62\n'
    first, second = layout.read(body, NOON), layout.read(body, NOON)
    assert [f.at for f in first.faults] == ["sample 1"]
    assert (second.faults, second.ignored) == ((), 1)
    assert [r.value for r in second.readings] == [62.0]


def test_scrapes_of_one_layout_share_what_an_engine_maps_once() -> None:
    layout = Layout("s", HOST)
    one, other = (layout.read(EXPOSITION.encode(), NOON).readings for _ in range(2))
    assert one.subjects is other.subjects
    assert one.subject is other.subject
    assert one.metric is other.metric


def test_a_layout_keeps_no_series_that_is_gone() -> None:
    """Pods come and go; the memory of a target is one scrape, not its history."""
    layout = Layout("s", HOST)
    for number in range(50):
        layout.read(f'vllm:num_requests_waiting{{pod="p-{number}"}} 1\n'.encode(), NOON)
    assert len(layout.read(b'vllm:num_requests_waiting{pod="p"} 1\n', NOON).readings.subjects) == 1
    assert layout.remembered == 1
