"""What must be true afterwards, read from the estate, the ledger and the streams, never from the program's own word."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any

from console import whereabouts
from console.installations import Installation
from console.provisioning import as_owner
from console.visiting import credentials_of
from estate import canonical
from estate.hardware import Health, Node
from estate.ids import NodeId, WorkloadId
from estate.incidents import CaseState
from estate.outcomes import Ending, Outcome
from estate.proposals import Lane
from estate.workloads import Workload
from policies.ledger.port import Entry, EntryKind
from policies.ledger.postgres import PostgresLedger
from policies.ledger.signing import Signing
from policies.ledger.sqlite import SqliteLedger
from policies.ledger.verifier_keys import VerifierKey
from policies.ledger.verifying import verify
from tests.crash.supervision import EVENTS, FAILING, SELDOM, Outside, until
from tools.bus import accounts
from tools.bus.wire import Wire

TENANTS_WORK = (WorkloadId("a-chat"), WorkloadId("b-imaging"))


@dataclass(frozen=True, slots=True)
class Moment:
    """The whole world at one revision."""

    nodes: dict[NodeId, Node]
    workloads: dict[WorkloadId, Workload]

    def serving(self, workload: WorkloadId) -> int:
        """Replicas whose devices all work."""
        return sum(self._works(b.node, b.accelerators) for b in self.workloads[workload].bindings)

    def _works(self, node: NodeId, devices: tuple[int, ...]) -> bool:
        health = {a.index: a.health for a in self.nodes[node].accelerators}
        return all(health[d] is Health.HEALTHY for d in devices)


def history(outside: Outside) -> list[Moment]:
    """Every revision that the world had after its seed, in order."""
    database = sqlite3.connect(outside.twin)
    later = database.execute("SELECT kind, body, revision FROM history ORDER BY number").fetchall()
    database.close()
    now = _seeded(outside)
    moments = []
    for kind, body, _ in later:
        thing: Node | Workload
        if kind == "node":
            thing = Node.model_validate(canonical.loads(body))
            now = Moment({**now.nodes, thing.id: thing}, now.workloads)
        else:
            thing = Workload.model_validate(canonical.loads(body))
            now = Moment(now.nodes, {**now.workloads, thing.id: thing})
        moments.append(now)
    return moments


def estate_is_right(outside: Outside) -> None:
    """Fenced, moved, each thing once, and at no moment fewer replicas than were promised."""
    moments = history(outside)
    for moment in moments:
        for name, workload in moment.workloads.items():
            assert moment.serving(name) >= workload.contract.min_available, f"{name} lost more than its budget"
    end = moments[-1]
    assert end.nodes[FAILING].cordoned, "the fence stays: the device is still gone"
    for name in TENANTS_WORK:
        work = end.workloads[name]
        assert not work.on(FAILING), f"{name} still runs on {FAILING}"
        assert len(work.bindings) == work.replicas == end.serving(name), f"{name} does not run as a whole"
    database = sqlite3.connect(outside.twin)
    written = Counter(database.execute("SELECT kind || '/' || id FROM history").fetchall())
    database.close()
    expected = {f"node/{FAILING}": 2, **{f"workload/{name}": 1 for name in TENANTS_WORK}}
    assert {name: n for (name,), n in written.items()} == expected, "the fault, the fence and one move each"


async def ledger_is_right(outside: Outside, *lanes: Lane, approvals: int = 1) -> None:
    """It verifies offline, and each thing stands in it once. Call it when nothing runs.

    `lanes` are those of the outcomes; a lost device has one for the fence, and one for what ran there.
    """
    ledger = await opened(outside)
    exported = [line async for line in ledger.export()]
    entries = [entry async for entry in ledger.entries()]
    await ledger.close()
    key = VerifierKey.parse((outside.state.root / "ledger.vkey").read_text().strip())
    report = verify(exported, (key,))
    assert report.holds, report.fault
    _one_of_each(entries, lanes or tuple(Lane))
    assert sum(e.kind is EntryKind.APPROVED for e in entries) == approvals


async def opened(outside: Outside) -> SqliteLedger | PostgresLedger:
    """The ledger as whoever holds the whole installation opens it."""
    installation = Installation.open(outside.state, outside.settings)
    name, address = installation.record.id, installation.config.ledger
    signing = Signing.of(name, installation.signer("ledger"))
    if address == "sqlite":
        return await SqliteLedger.open(outside.state.ledger_path, name, signing=signing)
    return await PostgresLedger.open(as_owner(installation).config.ledger, name, signing=signing)


def _one_of_each(entries: list[Entry], lanes: tuple[Lane, ...]) -> None:
    about: dict[Any, Counter[EntryKind]] = {}
    for entry in entries:
        if entry.proposal is not None:
            about.setdefault(entry.proposal, Counter())[entry.kind] += 1
    outcomes = [Outcome.read(e.body) for e in entries if e.kind is EntryKind.OUTCOME]
    assert sorted(o.lane for o in outcomes) == sorted(lanes), "one outcome each"
    for outcome in outcomes:
        counts, steps = about[outcome.proposal], len(outcome.steps)
        assert outcome.ending is Ending.VERIFIED
        for kind in (EntryKind.PROPOSED, EntryKind.ISSUED, EntryKind.CONSUMED, EntryKind.OUTCOME):
            assert counts[kind] == 1, f"{kind} of the {outcome.lane} lane: {counts[kind]}"
        assert counts[EntryKind.STEP_STARTED] == counts[EntryKind.STEP_APPLIED] == steps
        assert counts[EntryKind.STEP_FAILED] == counts[EntryKind.UNDO_STARTED] == 0
    others = set(about) - {o.proposal for o in outcomes}
    assert not others, f"nothing else was ever proposed: {[dict(e.body) for e in entries if e.proposal in others]}"
    nonces = [e.key for e in entries if e.kind is EntryKind.CONSUMED]
    assert len(nonces) == len(set(nonces))


async def everything_was_heard(outside: Outside) -> None:
    """The streams come to rest, and the one incident, which is verified, has every event that was sent."""
    await streams_come_to_rest(outside)
    ended = await outside.incident(CaseState.VERIFIED)
    assert ended["events"] == EVENTS


async def streams_come_to_rest(outside: Outside) -> None:
    """Every message is handled and acknowledged, and none was given up. Waits for redeliveries."""
    url = outside.settings.nats_url or whereabouts.read(outside.state).nats_url
    installation = Installation.open(outside.state, outside.settings)
    wire = await Wire.connect(credentials_of(installation, url, accounts.ADMINISTRATOR), name="accounting")
    unrest: list[str] = []

    async def resting() -> bool | None:
        unrest[:] = await _unrest(wire)
        return None if unrest else True

    try:
        await until(resting, "the streams to come to rest", every=SELDOM)
    except AssertionError as error:
        raise AssertionError(f"{error}: {unrest}") from error
    finally:
        await wire.close()


async def _unrest(wire: Wire) -> list[str]:
    found = []
    for stream in (await wire.api("STREAM.LIST", {}))["streams"]:
        name, config = stream["config"]["name"], stream["config"]
        empty = config["retention"] == "workqueue" or name.endswith("_DEAD")
        if empty and stream["state"]["messages"]:
            found.append(f"{name} holds {stream['state']['messages']}")
        for consumer in (await wire.api(f"CONSUMER.LIST.{name}", {}))["consumers"] or []:
            left = consumer["num_pending"] + consumer["num_ack_pending"]
            if left:
                found.append(f"{consumer['name']} of {name} has {left} to handle")
    return found


def _seeded(outside: Outside) -> Moment:
    start = Installation.open(outside.state, outside.settings).world_file()
    return Moment({n.id: n for n in start.nodes}, {w.id: w for w in start.workloads})
