"""Act 3: a proposal of three steps whose second fails: the first is undone. Then again without the fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from console.demo.stage import Stage
from console.door.commands import Propose
from estate.ids import IncidentId
from policies.ledger.port import EntryKind
from tools.inventory.files import load_change_file


async def play(stage: Stage, file: Path) -> None:
    """The whole act; `file` is where the change file is written. Raises CheckFailed where something does not happen."""
    stage.narrator.act(
        "Act 3 · a proposal",
        "Olga, an operator, proposes three steps from a file. The second is made to fail at the write, once.",
    )
    scenery = stage.scenery
    errand = scenery.errand(await scenery.look())
    await asyncio.to_thread(file.write_text, yaml.safe_dump(errand.change_file, sort_keys=False))
    before = await scenery.objects()
    async with scenery.failing():
        incident, state = await _proposed(stage, file)
    stage.narrator.check("the proposal is rolled back", state == "rolled-back", state)
    after = await scenery.objects()
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    stage.narrator.check("the estate is as before", not changed, str(changed))
    kinds = {e.kind async for e in stage.system.ledger.entries(incident=IncidentId(incident))}
    wanted = {EntryKind.STEP_FAILED, EntryKind.UNDO_APPLIED}
    stage.narrator.check("the ledger says so", wanted <= kinds, str(sorted(kinds)))
    incident, state = await _proposed(stage, file)
    stage.narrator.check("without the fault it is applied and verified", state == "verified", state)
    stage.narrator.check(errand.done, errand.is_done(await scenery.look()))
    await stage.prove(incident)


async def _proposed(stage: Stage, file: Path) -> tuple[str, str]:
    stage.narrator.says("olga", f"placet propose -f {file.name}")
    written = load_change_file(file)
    reply = await stage.tell("olga", Propose(summary=written.summary, changes=written.changes))
    assert isinstance(reply.result, dict)
    row = await stage.ended(str(reply.result["incident"]))
    return str(row["name"]), str(row["state"])
