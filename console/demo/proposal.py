"""Act 3: a proposal of three steps whose second fails: the first is undone. Then again without the fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from console.demo.stage import Stage
from console.door.commands import Propose
from estate.ids import IncidentId, NodeId, WorkloadId
from policies.ledger.port import EntryKind
from tools.inventory.files import load_change_file

CHANGE_FILE = {
    "kind": "placet.change-file",
    "v": 1,
    "summary": "cap two nodes of rack us-a and give the pilot a third replica",
    "changes": [
        {"kind": "SetPowerCap", "node": "us-a1", "watts": 6000},
        {"kind": "SetPowerCap", "node": "us-a2", "watts": 6000},
        {
            "kind": "ScaleWorkload",
            "workload": "c-pilot",
            "replicas": 3,
            "bindings": [{"replica": 2, "node": "us-c1", "accelerators": [0, 1, 2, 3]}],
        },
    ],
}
FAULT = "the BMC of us-a2 does not answer"


async def play(stage: Stage, file: Path) -> None:
    """The whole act; `file` is where the change file is written. Raises CheckFailed where something does not happen."""
    stage.narrator.act(
        "Act 3 · a proposal",
        "Olga, an operator, proposes three steps from a file. The second is made to fail at the write, once.",
    )
    await asyncio.to_thread(file.write_text, yaml.safe_dump(CHANGE_FILE, sort_keys=False))
    world = stage.system.world
    before = tuple((await world.snapshot()).nodes()), tuple((await world.snapshot()).workloads())
    await world.inject("node/us-a2", "SetPowerCap", FAULT)
    incident, state = await _proposed(stage, file)
    stage.narrator.check("the proposal is rolled back", state == "rolled-back", state)
    now = await world.snapshot()
    stage.narrator.check("the estate is as before", (tuple(now.nodes()), tuple(now.workloads())) == before)
    kinds = {e.kind async for e in stage.system.ledger.entries(incident=IncidentId(incident))}
    wanted = {EntryKind.STEP_FAILED, EntryKind.UNDO_APPLIED}
    stage.narrator.check("the ledger says so", wanted <= kinds, str(sorted(kinds)))
    _, state = await _proposed(stage, file)
    stage.narrator.check("without the fault it is applied and verified", state == "verified", state)
    await _as_proposed(stage)


async def _proposed(stage: Stage, file: Path) -> tuple[str, str]:
    stage.narrator.says("olga", f"placet propose -f {file.name}")
    written = load_change_file(file)
    reply = await stage.tell("olga", Propose(summary=written.summary, changes=written.changes))
    assert isinstance(reply.result, dict)
    row = await stage.ended(str(reply.result["incident"]))
    return str(row["name"]), str(row["state"])


async def _as_proposed(stage: Stage) -> None:
    now = await stage.system.world.snapshot()
    caps = [n.power_cap_watts if (n := now.node(NodeId(name))) else None for name in ("us-a1", "us-a2")]
    pilot = now.workload(WorkloadId("c-pilot"))
    done = caps == [6000, 6000] and pilot is not None and len(pilot.bindings) == 3
    stage.narrator.check("both caps are set and the third replica runs", done, str(caps))
