"""How fast telemetry is read: an exporter's text, scrape after scrape, beside splitting the same text into lines.

By processor time, on one core. The floor does nothing with a line but find its value: no parser in Python undercuts it.
The plain parser is prometheus_client's, which reads every label of every line each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.figures import Figure, figure, hushed, main
from tools.payloads.telemetry import answers
from tools.payloads.telemetry.layouts import Layout

GPUS, SCRAPES, ROUNDS = 8, 50, 20
_FIELDS = (
    "SM_CLOCK", "MEM_CLOCK", "GPU_TEMP", "MEMORY_TEMP", "POWER_USAGE", "TOTAL_ENERGY_CONSUMPTION", "GPU_UTIL",
    "FB_USED", "FB_FREE", "XID_ERRORS", "PCIE_REPLAY_COUNTER", "CORRECTABLE_REMAPPED_ROWS",
)  # fmt: skip


def measure() -> list[Figure]:
    """Text of one node's exporter, and an answer of a server with as many readings as a thousand such nodes."""
    hushed()
    bodies = [_scrape(number) for number in range(SCRAPES)]
    readings = len(_FIELDS) * GPUS
    layout = Layout("benchmark")
    layout.read(bodies[0], None)
    now = datetime.now(UTC)
    floor = _rate(lambda body: [line.rpartition(b" ")[2] for line in body.split(b"\n")], bodies * ROUNDS, readings)
    known = _rate(lambda body: layout.read(body, now), bodies * ROUNDS, readings)
    first = _rate(lambda body: Layout("benchmark").read(body, now), bodies, readings)
    plain = _rate(lambda body: list(text_string_to_metric_families(body.decode())), bodies, readings)
    answer, size = _answer(1_000)
    memory = answers.Memory("benchmark")
    new = _rate(lambda body: memory.read(body, ""), [answer], size)
    asked = _rate(lambda body: memory.read(body, ""), [answer], size)
    return [
        figure("readings a second, a known target's text", known, "1/s"),
        figure("times the floor of splitting its lines", floor / known, "times"),
        figure("times as fast as prometheus_client's parser", known / plain, "times", at_least=10),
        figure("readings a second, a new target's text", first, "1/s"),
        figure("readings a second, a known query's answer", asked, "1/s"),
        figure("readings a second, a new query's answer", new, "1/s"),
    ]


def _rate(read: Callable[[bytes], object], bodies: list[bytes], readings: int) -> float:
    began = time.process_time()
    for body in bodies:
        read(body)
    return readings * len(bodies) / (time.process_time() - began)


def _labels(gpu: int) -> str:
    return (
        f'gpu="{gpu}",UUID="GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e{gpu:02}",pci_bus_id="00000000:0{gpu}:00.0",'
        f'device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3",Hostname="gpu-7",container="",namespace="",pod=""'
    )


def _scrape(number: int) -> bytes:
    rows = []
    for place, name in enumerate(_FIELDS):
        rows.append(f"# TYPE DCGM_FI_DEV_{name} gauge")
        rows += [f"DCGM_FI_DEV_{name}{{{_labels(gpu)}}} {(number * 7919 + place * gpu) % 9973}" for gpu in range(GPUS)]
    return "\n".join(rows).encode()


def _answer(nodes: int) -> tuple[bytes, int]:
    result = [
        {
            "metric": {"__name__": f"DCGM_FI_DEV_{name}", "UUID": f"GPU-{node}-{gpu}", "Hostname": f"n-{node}"},
            "value": [1764158400.5, str(node % 90)],
        }
        for node in range(nodes)
        for gpu in range(GPUS)
        for name in _FIELDS
    ]
    form = {"status": "success", "data": {"resultType": "vector", "result": result}}
    return orjson.dumps(form), len(result)


if __name__ == "__main__":
    main("scrapes", measure)
