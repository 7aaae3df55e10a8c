"""The Prometheus source against a real Prometheus that scrapes real HTTP."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta

import pytest

from estate.ids import ClusterId
from tests.asking.exporters import Exporter
from tests.asking.hearing import HASTE, listening, now
from tools.inventory.asking.prometheus import PrometheusSource, queries
from tools.inventory.asking.settings import PrometheusServer
from tools.inventory.port import Heard
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence, Reading
from tools.payloads.telemetry import tables
from tools.prometheus.launching import Prometheus

pytestmark = [pytest.mark.prometheus, pytest.mark.xdist_group("prometheus")]

GPU = 'gpu="0",UUID="GPU-1"'
TEXT = f"""# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61
# TYPE DCGM_FI_DEV_MEMORY_TEMP gauge
DCGM_FI_DEV_MEMORY_TEMP{{{GPU}}} 9223372036854775794
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{{{GPU}}} 2147483634
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{namespace="chat",pod="serve-0",model_name="mistral"}} 4
# TYPE node_infiniband_link_downed_total counter
node_infiniband_link_downed_total{{device="mlx5_0",port="1"}} 3
"""


def source(server: Prometheus) -> PrometheusSource:
    return PrometheusSource(
        [PrometheusServer(id="main", url=server.url, cluster=ClusterId("eu-1"), window_seconds=30)], now, HASTE
    )


def told(metric: Metric, heard: Heard) -> Reading | None:
    return next((r for rs in heard.readings for r in rs if r.metric is metric), None)


def tells(*metrics: Metric) -> Callable[[Heard], bool]:
    return lambda heard: all(told(m, heard) for m in metrics)


async def test_samples_come_with_their_metrics_units_subjects_and_own_times(
    exporter: Exporter, prometheus_server: Prometheus
) -> None:
    exporter.text = TEXT
    before = now()
    wanted = (Metric.GPU_TEMPERATURE, Metric.GPU_MEMORY_TEMPERATURE, Metric.GPU_POWER, Metric.REQUESTS_WAITING)
    async with listening(source(prometheus_server)) as ear:
        heard = await ear.until(tells(*wanted, Metric.PORT_LINK_DOWNED, Metric.TARGET_UP))
    temperature = told(Metric.GPU_TEMPERATURE, heard)
    assert temperature is not None
    assert temperature.subject == Mention(MentionKind.GPU_UUID, "GPU-1")
    assert (temperature.value, temperature.source) == (61.0, "prometheus/main")
    assert temperature.at is not None
    assert before - timedelta(seconds=5) < temperature.at <= now()
    memory, power = told(Metric.GPU_MEMORY_TEMPERATURE, heard), told(Metric.GPU_POWER, heard)
    assert memory is not None
    assert power is not None
    assert (memory.value, memory.presence) == (None, Presence.BLANK)  # a float cannot tell which of the 64-bit blanks
    assert (power.value, power.presence) == (None, Presence.ABSENT)
    waiting, downed = told(Metric.REQUESTS_WAITING, heard), told(Metric.PORT_LINK_DOWNED, heard)
    assert waiting is not None
    assert downed is not None
    assert waiting.subject == Mention(MentionKind.MODEL_SERVER, "chat/serve-0", "eu-1", "mistral")
    assert downed.subject == Mention(MentionKind.PORT, "mlx5_0/1", "gpu-7")


async def test_a_sample_of_a_target_that_is_gone_is_as_old_as_it_is(
    exporter: Exporter, prometheus_server: Prometheus
) -> None:
    """An instant vector would show it as of now, or hide it: here its own time stands still."""
    exporter.text = TEXT
    async with listening(source(prometheus_server)) as ear:
        await ear.until(tells(Metric.GPU_TEMPERATURE))
        exporter.down = True
        lost = await ear.until(lambda h: bool((up := told(Metric.TARGET_UP, h)) and up.value == 0))
        later = await ear.until(tells(Metric.GPU_TEMPERATURE))
        one, other = told(Metric.GPU_TEMPERATURE, lost), told(Metric.GPU_TEMPERATURE, later)
    assert one is not None
    assert other is not None
    assert one.at == other.at


async def test_percentiles_are_worked_out_by_prometheus(exporter: Exporter, prometheus_server: Prometheus) -> None:
    """Ninety of a hundred first tokens within a tenth of a second, the rest within one: the 95th lies between."""

    def text(requests: int) -> str:
        labels = 'namespace="chat",pod="serve-0",model_name="mistral"'
        head = "# TYPE vllm:time_to_first_token_seconds histogram\n"
        rows = (("0.1", 9 * requests // 10), ("1.0", requests), ("+Inf", requests))
        name = "vllm:time_to_first_token_seconds"
        buckets = "".join(f'{name}_bucket{{{labels},le="{le}"}} {n}\n' for le, n in rows)
        return f"{head}{buckets}{name}_sum{{{labels}}} {requests / 5}\n{name}_count{{{labels}}} {requests}\n"

    exporter.text = text(0)
    await prometheus_server.until("vllm:time_to_first_token_seconds_count")
    exporter.text = text(1000)
    async with listening(source(prometheus_server)) as ear:
        heard = await ear.until(tells(Metric.FIRST_TOKEN_P95, Metric.FIRST_TOKEN_SUM))
    found = told(Metric.FIRST_TOKEN_P95, heard)
    assert found is not None
    assert found.subject == Mention(MentionKind.MODEL_SERVER, "chat/serve-0", "eu-1", "mistral")
    assert found.value is not None
    assert math.isclose(found.value, 0.55, rel_tol=1e-6)


async def test_a_server_that_was_killed_and_started_again_is_heard_again(
    exporter: Exporter, prometheus_server: Prometheus
) -> None:
    exporter.text = TEXT
    async with listening(source(prometheus_server)) as ear:
        await ear.until(tells(Metric.GPU_TEMPERATURE))
        await prometheus_server.stop(kill=True)
        lost = await ear.until(lambda heard: bool(heard.failure))
        assert "cannot be reached" in lost.failure
        await prometheus_server.start()
        await ear.until(tells(Metric.GPU_TEMPERATURE), seconds=60)
        (standing,) = ear.standings.values()
    assert standing.failure == ""


async def test_a_query_that_is_refused_says_so(exporter: Exporter, prometheus_server: Prometheus) -> None:
    """The server's own words reach whoever wrote the address."""
    wrong = PrometheusServer(id="wrong", url=f"{prometheus_server.url}/nowhere")
    async with listening(PrometheusSource([wrong], now, HASTE)) as ear:
        heard = await ear.until(lambda h: bool(h.failure))
    assert "404" in heard.failure


def test_the_queries_ask_for_every_series_of_the_tables_once() -> None:
    asked = [query for name, query in queries(60) if not name]
    names = [n for query in asked for n in query.partition('"')[2].partition('"')[0].replace("\\\\", "").split("|")]
    assert len(names) == len(set(names))
    assert {n for n in tables.SERIES if not n.startswith("placet:")} == set(names)
