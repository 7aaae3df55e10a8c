"""`contract.breached`: burn rates over recorded traffic, and replicas that must run."""

from __future__ import annotations

import csv
import math
import random
from datetime import timedelta
from itertools import islice
from pathlib import Path

from estate.ids import ContractId, WorkloadId
from estate.observations import Severity
from estate.references import Ref
from estate.uses.promises import Contract, Measure, Objective
from estate.uses.promises import Service as Observed
from tests import builders
from tests.sensors.series import Series
from tools.payloads.facts.metrics import Metric

TRACE = Path(__file__).parents[3] / "shared" / "data" / "azure-llm-2023" / "AzureLLMInferenceTrace_conv.csv"
SERVE = Ref("workload", "a-serve")
CONTRACT = Contract(
    id=ContractId("a-chat"),
    workload=WorkloadId("a-serve"),
    objectives=(Objective(measure=Measure.TTFT, bound=500),),
)


def promised() -> Series:
    series = Series().begin()
    series.put(CONTRACT)
    return series


def serve(series: Series, seconds: float, minutes: int, every: int = 15) -> None:
    """That long until the first token, for so many minutes."""
    for _ in range(minutes * 60 // every):
        series.read(Metric.FIRST_TOKEN_P95, (SERVE, seconds), part="a-serve-0")
        series.wait(every, every)


def test_a_budget_that_burns_fast_is_told_once_and_resolved_once_it_stops() -> None:
    series = promised()
    serve(series, 0.2, 30)
    assert series.told == []
    serve(series, 0.9, 20)
    critical = [s for s in series.of("contract-burn") if s.severity is Severity.CRITICAL and "/60m" in s.condition]
    assert len(critical) == 1
    evidence = critical[0].evidence
    for window in ("long", "short"):
        assert evidence.value(f"{window}-burn") > evidence.value("raise-above") == 14_400
    assert critical[0].whereabouts.workload == "a-serve"
    serve(series, 0.2, 30)
    fast = [s for s in series.of("contract-burn") if "/60m" in s.condition]
    assert [s.resolved for s in fast] == [False, True]


def test_a_share_of_slow_answers_within_the_budget_is_never_told() -> None:
    series = promised()
    for turn in range(2_000):
        series.read(Metric.FIRST_TOKEN_P95, (SERVE, 0.9 if turn % 150 == 149 else 0.2), part="a-serve-0")
        series.wait(15, 15)
    assert series.told == []


def test_a_service_that_flaps_is_told_once_for_each_pair_of_windows() -> None:
    series = promised()
    for turn in range(600):
        series.read(Metric.FIRST_TOKEN_P95, (SERVE, 0.9 if turn % 2 else 0.2), part="a-serve-0")
        series.wait(15, 15)
    conditions = [s.condition for s in series.of("contract-burn") if not s.resolved]
    assert len(conditions) == len(set(conditions)) == 3


def test_recorded_traffic_breaks_its_promise_once_servers_are_too_few() -> None:
    """Arrivals of a production trace into a queue: enough servers keep the promise, half of them do not."""
    with TRACE.open() as file:
        rows = list(islice(csv.DictReader(file), 3_000))
    for servers, breaches in ((100, 0), (10, 1)):
        series = promised()
        free = [0.0] * servers
        waits = list[tuple[float, float]]()
        for row in rows:
            clock = row["TIMESTAMP"].partition(" ")[2].split(":")
            at = float(clock[0]) * 3600 + float(clock[1]) * 60 + float(clock[2])
            first = free.index(min(free))
            begun = max(at, free[first])
            free[first] = begun + 0.02 * float(row["GeneratedTokens"])
            waits.append((at, begun - at + 0.00002 * float(row["ContextTokens"])))
        start, minute = waits[0][0], list[float]()
        for at, wait in waits:
            if at - start >= 15:
                minute.sort()
                series.read(Metric.FIRST_TOKEN_P95, (SERVE, minute[math.floor(len(minute) * 0.95)]), part="a-serve-0")
                series.wait(15, 15)
                start, minute = start + 15, []
            minute.append(wait)
        fast = [s for s in series.of("contract-burn") if "/60m" in s.condition]
        assert len(fast) == breaches, servers


def test_late_doubled_and_out_of_order_readings_are_counted_once() -> None:
    series, chance = promised(), random.Random(1)
    for _ in range(40):
        series.wait(15, 15)
        series.read(Metric.FIRST_TOKEN_P95, (SERVE, 0.2), (SERVE, 0.2), part="a-serve-0")
        late = series.now - timedelta(seconds=chance.randint(1, 3_000))
        series.read(Metric.FIRST_TOKEN_P95, (SERVE, 9.0), at=late, part="a-serve-0")
    assert series.told == []


def test_figures_that_stand_in_the_contract_are_observations_too() -> None:
    series = promised()
    for _ in range(12):
        observed = Observed(measure=Measure.TTFT, value=800, at=series.now)
        series.put(CONTRACT.model_copy(update={"observed": (observed,)}))
        series.wait(60, 60)
    assert series.raised("contract-burn") == 3


def test_fewer_replicas_than_were_promised_at_any_time_are_a_breach() -> None:
    series = Series().begin()
    serving = series.estate.workload(WorkloadId("a-serve"))
    assert serving is not None
    series.put(serving.model_copy(update={"bindings": ()}))
    series.wait(70)
    (told,) = series.of("contract-available")
    assert told.evidence.value("running") == 0 < told.evidence.value("least") == 1
    series.put(serving)
    series.wait(130)
    assert series.cleared("contract-available") == 1


def test_replicas_that_are_only_replaced_are_no_breach() -> None:
    series = Series().begin()
    serving = series.estate.workload(WorkloadId("a-serve"))
    assert serving is not None
    for _ in range(20):
        series.put(serving.model_copy(update={"bindings": ()}))
        series.wait(20)
        series.put(serving)
        series.wait(100)
    assert series.raised("contract-available") == 0
    assert builders.contract(2).min_available == 0
