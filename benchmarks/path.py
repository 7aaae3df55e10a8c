"""The main path: events to verified changes on embedded defaults, a thousand incidents, none lost.

Four phases on one running installation: incidents one by one (latency when idle, the cost of each step), incidents
many at once (rate, latency under load, memory), and fences behind a burst of alerts and behind a thousand waiting cases
(neither delays a fence).
Latencies are told beside the floors measured in the same run: a message through NATS, and one durable checkpoint.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from agents.incidents import Incidents
from benchmarks import floors, stories
from benchmarks.figures import Figure, figure, hushed, main, percentile
from benchmarks.fleets import Fleet, fleet
from benchmarks.stories import CONCLUDED, FENCED, SENT, Stories
from console import config, initialising
from console.bootstrap import Installation, running
from console.config import Http
from console.demo import payloads
from console.initialising import LOCAL_CHANNEL, Founding
from console.state import StateDirectory
from console.systems import System
from estate import canonical
from estate.changes import SetPowerCap
from estate.events import DirectProposal
from estate.hardware import Node
from estate.identities import Subject, SubjectKind
from estate.ids import InstallationId, TenantId
from estate.incidents import CaseState, Incident
from estate.units import Watts

INCIDENTS, ALONE, AT_ONCE = 1_000, 100, 16
BACKLOG, BURST, FENCES = 1_000, 1_000, 20
RACKS = 600
"""A site; with a quarter of 2 400 nodes, the breaker leaves room for every fence of this run."""
SEED = 7
WARM = 5
_DEVICE = 2
_SELDOM = 3.0
"""Seconds between looks at every record there is: a look costs what two incidents do."""
LOST = "incidents lost"
_PAGE = 4096


@dataclass(slots=True)
class Bench:
    """The running system, its input, and what is collected."""

    system: System
    stories: Stories
    fleet: Fleet
    failing: Sequence[Node]
    sent: int = 0
    cases: int = 0
    resident: dict[int, int] = field(default_factory=dict)

    async def fail(self) -> Node:
        """The next node's device falls off the bus, and its kernel says so on the intake subject."""
        node = self.failing[self.sent]
        self.sent += 1
        self.cases += 1
        await self.system.world.fail_accelerator(node.id, _DEVICE)
        self.stories.sent(node.id)
        await self._publish("kernel", str(LOCAL_CHANNEL), _kernel_line(node), f"benchmark:{node.id}")
        return node

    async def alert(self, node: Node, number: int) -> None:
        """One of many webhooks about a node that nothing is wrong with otherwise: all belong to one case."""
        (body,) = payloads.alert_bursts(node, node.accelerators[_DEVICE], datetime.now(UTC), 1)
        form = json.loads(body)
        for position, alert in enumerate(form["alerts"]):
            alert["fingerprint"] = f"{number:08x}{position:08x}"
        await self._publish("alertmanager", str(LOCAL_CHANNEL), json.dumps(form).encode(), f"alert:{number}")

    async def propose(self, node: Node) -> None:
        """A person's small change: a case without a fence."""
        self.cases += 1
        await self._publish("proposal", "front-door", _proposal(node), f"proposal:{node.id}")

    async def _publish(self, format: str, channel: str, body: bytes, message_id: str) -> None:
        subject = self.system.subjects.intake(channel, format)
        await self.system.buses["console"].publish(subject, body, message_id=message_id)

    async def incidents(self) -> tuple[Incident, ...]:
        """Every record."""
        return await (await Incidents.open(self.system.buses["console"])).every()


def measure() -> list[Figure]:
    """Run all phases in a temporary directory."""
    hushed()
    with tempfile.TemporaryDirectory(prefix="placet-path-") as scratch:
        return asyncio.run(_measure(Path(scratch)))


async def _measure(folder: Path) -> list[Figure]:
    message = await floors.message(folder / "floor")
    async with _bench(folder / "state") as bench:
        checkpoint = await floors.checkpoint(bench.system.buses["agent"])
        await _one_by_one(bench, WARM)
        await _one_by_one(bench, ALONE)
        rate, worked = await _many_at_once(bench)
        behind_burst = await _behind_a_burst(bench)
        during = await _behind_a_backlog(bench)
        records = await bench.incidents()
        found = await bench.stories.read(bench.system.ledger, records)
    lost = _lost(bench, records)
    told = [found[n.id] for n in bench.failing[: bench.sent] if n.id in found]
    alone, busy = told[WARM : WARM + ALONE], told[WARM + ALONE : INCIDENTS + WARM]
    burst, fences = told[-2 * FENCES : -FENCES], told[-FENCES:]
    return [
        figure("incidents through the whole path", INCIDENTS, "incidents"),
        figure(LOST, len(lost), "incidents", at_most=0),
        figure("rate with 16 at once", rate, "1/s"),
        figure("processor time of an incident, all processes of the installation", worked * 1e3, "ms"),
        *_latencies("alone", alone),
        *_latencies("16 at once", busy),
        *_floors(message, checkpoint, alone),
        figure("alerts of the burst still waiting after the last fence", behind_burst, "alerts", at_least=BURST),
        *_behind("a burst of webhooks", alone, burst),
        figure("cases still waiting after the last fence", during, "cases", at_least=BACKLOG / 2),
        *_behind("the backlog", alone, fences),
        *_memory(bench),
        *(figure(f"step to {name}", value * 1e3, "ms") for name, value in stories.steps(alone)),
    ]


async def _one_by_one(bench: Bench, count: int) -> None:
    for _ in range(count):
        await bench.fail()
        await bench.stories.until_ended(bench.cases)


async def _many_at_once(bench: Bench) -> tuple[float, float]:
    """Keep sixteen incidents under way; the incidents a second, and the seconds of processor time each took."""
    count = INCIDENTS - ALONE
    marks = {INCIDENTS // 10, INCIDENTS // 2, INCIDENTS}
    bench.resident[ALONE] = _resident()
    started, worked = time.perf_counter(), time.process_time()
    for number in range(ALONE + 1, INCIDENTS + 1):
        await bench.fail()
        await bench.stories.until_ended(bench.cases - AT_ONCE + 1)
        if number in marks:
            bench.resident[number] = _resident()
    await bench.stories.until_ended(bench.cases)
    return count / (time.perf_counter() - started), (time.process_time() - worked) / count


async def _behind_a_burst(bench: Bench) -> int:
    """Fence while webhooks wait to be read; how many of their alerts still waited once the last fence stood."""
    node, alerts = bench.fleet.idle()[-1], BURST * len(payloads.MANY_ALERTS)
    await asyncio.gather(*(bench.alert(node, number) for number in range(BURST)))
    bench.cases += 1
    await _fences(bench)
    left = alerts - await _correlated(bench, node)
    while await _correlated(bench, node) < alerts:  # noqa: ASYNC110 - as above
        await asyncio.sleep(_SELDOM)
    await bench.stories.until_ended(bench.cases)
    return left


async def _correlated(bench: Bench, node: Node) -> int:
    return sum(i.events_seen for i in await bench.incidents() if i.domain == f"node/{node.id}")


async def _behind_a_backlog(bench: Bench) -> int:
    """Fence while a thousand cases wait; how many of them still waited once the last fence stood."""
    before = bench.stories.ended
    await asyncio.gather(*(bench.propose(n) for n in bench.fleet.idle()[:BACKLOG]))
    await bench.stories.until_opened(bench.cases)
    await _fences(bench)
    return BACKLOG - (bench.stories.ended - before)


async def _fences(bench: Bench) -> None:
    """One every tenth of a second, until the last one stands."""
    nodes = []
    for _ in range(FENCES):
        nodes.append(await bench.fail())
        await asyncio.sleep(0.1)
    while not await _fenced(bench, nodes):  # noqa: ASYNC110 - it looks from outside, as a person would
        await asyncio.sleep(0.05)


async def _fenced(bench: Bench, nodes: Sequence[Node]) -> bool:
    world = await bench.system.world.snapshot()
    return all((found := world.node(n.id)) is not None and found.cordoned for n in nodes)


@asynccontextmanager
async def _bench(folder: Path) -> AsyncIterator[Bench]:
    """A fresh installation on embedded defaults, running, on a fleet of its own."""
    now = datetime.now(UTC)
    made, collected = fleet(now + timedelta(days=30), RACKS), Stories()
    state = StateDirectory(folder)
    founding = Founding(installation=InstallationId("bench"), facts=made.facts, world=made.world)
    await asyncio.to_thread(initialising.found, state, founding, now)
    settings = config.load(state.config_path, {}).model_copy(update={"http": Http(port=0)})
    async with running(Installation.open(state, settings), observer=collected.observe) as system:
        yield Bench(system, collected, made, made.failing(SEED))


def _kernel_line(node: Node) -> bytes:
    slot = node.accelerators[_DEVICE].pci_address.rsplit(".", 1)[0]
    text = f"[6781741.548779] NVRM: Xid (PCI:{slot}): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
    return json.dumps({"host": node.name, "cluster": node.cluster, "boot_id": node.boot_id, "lines": [text]}).encode()


def _proposal(node: Node) -> bytes:
    requester = Subject(kind=SubjectKind.HUMAN, issuer=InstallationId("bench"), name="olga")
    change = SetPowerCap(node=node.id, watts=Watts(7_000))
    spoken = DirectProposal(
        summary=f"cap {node.id}", changes=(change,), requester=requester, tenants=(TenantId("tenant-a"),)
    )
    return canonical.dumps({"id": f"cap-{node.id}", **spoken.json_form()})


def _lost(bench: Bench, records: Sequence[Incident]) -> list[str]:
    """Incidents that were never opened, did not end, or ended in anything but a verified change.

    Those of the fences behind the backlog are not waited for: their cases stand at its end.
    """
    ended = {i.domain: i.state for i in records}
    sent = [f"node/{n.id}" for n in bench.failing[: INCIDENTS + WARM]]
    lost = [d for d in sent if ended.get(d) is not CaseState.VERIFIED]
    if lost:
        print(f"lost: {[(d, ended.get(d)) for d in lost[:10]]}", file=sys.stderr)
    return lost


def _latencies(how: str, told: Sequence[dict[str, datetime]]) -> list[Figure]:
    return [
        figure(f"{name} p{percent}, {how}", percentile(stories.seconds(told, SENT, moment), percent) * 1e3, "ms")
        for name, moment in (("event to containment", FENCED), ("event to outcome", CONCLUDED))
        for percent in (50, 99)
    ]


def _floors(
    message: Sequence[float], checkpoint: Sequence[float], alone: Sequence[dict[str, datetime]]
) -> list[Figure]:
    fenced, concluded = (median(stories.seconds(alone, SENT, m)) for m in (FENCED, CONCLUDED))
    return [
        figure("floor: NATS publish, fetch, ack p50", median(message) * 1e3, "ms"),
        figure("floor: one durable checkpoint p50", median(checkpoint) * 1e3, "ms"),
        figure("event to containment, in NATS floors", fenced / median(message), "×"),
        figure("event to outcome, in NATS floors", concluded / median(message), "×"),
        figure("event to outcome, in checkpoint floors", concluded / median(checkpoint), "×"),
    ]


def _behind(what: str, alone: Sequence[dict[str, datetime]], fences: Sequence[dict[str, datetime]]) -> list[Figure]:
    idle, behind = (median(stories.seconds(told, SENT, FENCED)) for told in (alone, fences))
    return [
        figure(f"fence p50 behind {what}", behind * 1e3, "ms"),
        figure(f"fence p50 behind {what}, of idle", behind / idle, "×", at_most=10),
    ]


def _memory(bench: Bench) -> list[Figure]:
    tenth, half, whole = (bench.resident[n] / 2**20 for n in sorted(bench.resident))
    return [
        figure("resident memory at 10 %", tenth, "MiB"),
        figure("resident memory at 50 %", half, "MiB"),
        figure("resident memory at 100 %", whole, "MiB"),
        figure("growth over the second half", (whole / half - 1) * 100, "%", at_most=5),
    ]


def _resident() -> int:
    """Bytes of this process: every process of the installation, without the NATS server."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


if __name__ == "__main__":
    sys.exit(any(f.name == LOST and f.value for f in main("path", measure)))
