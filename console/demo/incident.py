"""Act 1: a GPU falls off the bus; its node is fenced, two tenants' work is moved, a person is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from console.demo import estate, payloads
from console.demo.stage import Stage, called
from console.door.commands import ExitCode
from estate.approvals import Word
from estate.hardware import Node
from estate.ids import IncidentId, NodeId, SiteId
from estate.progress import Progress
from estate.progress import Stage as At
from estate.verdicts import Decision, Dimension, Verdict
from policies.ledger.port import EntryKind
from tools.bus.port import NotAllowed
from tools.inventory.follower import Follower

FAILING, DEVICE = NodeId("eu-a1"), 2


async def play(stage: Stage) -> None:
    """The whole act. Raises CheckFailed where something does not happen."""
    stage.narrator.act(
        "Act 1 · an incident",
        "XID 79: a GPU of node eu-a1 falls off the bus. Two tenants run there. The kernel, NVSentinel and a burst of "
        "Alertmanager webhooks all say so.",
    )
    rival = _Rival(stage)
    stage.hooks.append(rival)
    node = await _device_fails(stage)
    await _senders_speak(stage, node)
    incident = await _one_incident(stage)
    await _fence_was_gated(stage, incident)
    waiting = await stage.settled(incident)
    stage.hooks.remove(rival)
    stage.narrator.check("the case waits for a person", waiting["state"] == "awaiting-approval", waiting["state"])
    await _stale_plan_was_forbidden(stage, incident)
    await _approval(stage, incident)
    ended = await stage.ended(incident)
    stage.narrator.check("the change is applied and verified", ended["state"] == "verified", ended["state"])
    await _world_is_right(stage)
    await stage.prove(incident)


class _Rival:
    """Somebody else's job, started in the world while the first plan is being rehearsed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._started = False

    async def __call__(self, progress: Progress) -> None:
        if progress.stage is not At.REHEARSE or self._started:
            return
        self._started = True
        job = estate.power_hungry_job()
        await self._stage.scenery.start_job(job)
        follower = self._stage.system.inventories["gate"]
        await self._stage.until(lambda: _seen(follower, job.name), "the inventory to see the other job")
        self._stage.narrator.says("elsewhere", f"tenant-c starts {job.name} on eu-b3: 5.6 kW of rack eu-b are gone")


async def _seen(follower: Follower, job: str) -> bool | None:
    found = called(job, follower.newest())
    return True if found is not None and found.bindings else None


async def _device_fails(stage: Stage) -> Node:
    """The machine, as its senders know it: they name the device by its address, which a cluster does not."""
    await stage.scenery.lose_device(FAILING, DEVICE)
    return next(n for n in estate.world().nodes if n.id == FAILING)


async def _senders_speak(stage: Stage, node: Node) -> None:
    at, device = datetime.now(UTC), node.accelerators[DEVICE]
    stage.narrator.says("kernel", f"NVRM: Xid (PCI:{device.pci_address[:-2]}): 79, GPU has fallen off the bus")
    await stage.post("eu-de-kernel", "kernel", payloads.kernel_line(node, device, at))
    await stage.post("eu-de-nvsentinel", "cloudevents", payloads.health_event(node, device, at))
    bursts = payloads.alert_bursts(node, device, at)
    await asyncio.gather(*(stage.post("eu-de-alerts", "alertmanager", body) for body in bursts))
    stage.narrator.says("alertmanager", f"{len(bursts)} webhooks with {len(payloads.MANY_ALERTS)} alerts each")


async def _one_incident(stage: Stage) -> str:
    """The one incident, once every event of the burst has joined it."""
    sent = 2 + 8 * len(payloads.MANY_ALERTS)

    async def joined() -> list[dict[str, Any]] | None:
        rows = await stage.incidents()
        return rows if sum(int(r["events"]) for r in rows) >= sent else None

    rows = await stage.until(joined, f"{sent} events to be correlated")
    stage.narrator.check(f"{sent} events make one incident", len(rows) == 1, f"{len(rows)} incidents")
    return str(rows[0]["name"])


async def _fence_was_gated(stage: Stage, incident: str) -> None:
    ledger = stage.system.ledger
    kinds = (EntryKind.PROPOSED, EntryKind.DECIDED, EntryKind.ISSUED, EntryKind.CONSUMED, EntryKind.OUTCOME)
    first = [e async for e in ledger.entries(kind=EntryKind.OUTCOME, incident=IncidentId(incident))][:1]
    fence = [e.kind async for e in ledger.entries(proposal=first[0].proposal)] if first else []
    logged = [kind for kind in fence if kind in kinds]
    stage.narrator.check("the node was fenced first, gated and logged", logged == list(kinds), str(logged))


async def _stale_plan_was_forbidden(stage: Stage, incident: str) -> None:
    ledger = stage.system.ledger
    decided = [e.body["verdict"] async for e in ledger.entries(kind=EntryKind.DECIDED, incident=IncidentId(incident))]
    verdicts = [Verdict.read(v) for v in decided if isinstance(v, dict)]
    forbidden = [v for v in verdicts if v.decision is Decision.FORBID]
    dimensions = {f.dimension for v in forbidden for f in v.failures}
    stage.narrator.check(
        "the gate forbade the stale plan for power", Dimension.POWER in dimensions, str(sorted(dimensions))
    )


async def _approval(stage: Stage, incident: str) -> None:
    subject = stage.system.subjects.approval(SiteId("eu-de"))
    try:
        await stage.system.buses["agent"].publish(subject, b"{}", message_id="forged")
        refused = False
    except NotAllowed as error:
        refused = True
        stage.narrator.says("agent", f"tries to approve its own proposal: {error}")
    stage.narrator.check("the proposer cannot approve", refused)
    reply = await stage.sign("grace", incident, Word.APPROVE, "move it, patients wait")
    stage.narrator.says("grace", "approves for tenant-b, with her own key")
    stage.narrator.check("a second identity can", reply.code is ExitCode.OK, reply.message)


async def _world_is_right(stage: Stage) -> None:
    now = await stage.scenery.look()
    node = now.node(FAILING)
    stage.narrator.check("the fence stays: the GPU is still gone", bool(node and node.cordoned))
    left = [w.name for w in now.workloads_on(FAILING)]
    stage.narrator.check("nothing runs on eu-a1 any more", not left, str(left))
    moved = [called(w, now) for w in ("a-chat", "b-imaging")]
    stage.narrator.check("every replica runs", all(w and len(w.bindings) == w.replicas for w in moved))
    over = [r.id for r in now.facts.racks if now.rack_watts(r.id) > r.power_budget_watts]
    stage.narrator.check("no rack is over its power budget", not over, str(over))
