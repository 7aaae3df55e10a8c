"""Act 3: a proposal of three steps whose second fails: the first is undone. Then again without the fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from console.demo.stage import Stage
from console.door import stories
from console.door.commands import Propose
from estate.ids import IncidentId
from policies.ledger.port import Entry, EntryKind
from tools.inventory.files import load_change_file

_BEFORE = (EntryKind.NOTIFIED, EntryKind.PRESERVED)
_CANARY = (EntryKind.CANARY_STARTED, EntryKind.CANARY_PASSED)
_DUTIES = frozenset({*_BEFORE, *_CANARY, EntryKind.POST_CHECKED})


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
    await _duties(stage, IncidentId(incident))


async def _duties(stage: Stage, incident: IncidentId) -> None:
    """What the profile lays on such a change, in the order in which the ledger has it."""

    async def checked() -> Entry | None:
        async for entry in stage.system.ledger.entries(kind=EntryKind.POST_CHECKED, incident=incident):
            return entry
        return None

    last = await stage.until(checked, "the second look at what was verified")
    entries = [e async for e in stage.system.ledger.entries(incident=incident)]
    for entry in (e for e in entries if e.kind in _DUTIES):
        stage.narrator.says("ledger", stories.says(entry.kind, entry.body))
    kinds = [e.kind for e in entries if e.kind in {*_DUTIES, EntryKind.STEP_STARTED, EntryKind.OUTCOME}]
    step = EntryKind.STEP_STARTED
    wanted = [*_BEFORE, step, *_CANARY, step, step, EntryKind.OUTCOME, EntryKind.POST_CHECKED]
    stage.narrator.check("people were told, the state kept, and a first step soaked before the rest", kinds == wanted)
    stage.narrator.check("a second look found it as promised", last.body["held"] is True, str(last.body["faults"]))


async def _proposed(stage: Stage, file: Path) -> tuple[str, str]:
    stage.narrator.says("olga", f"placet propose -f {file.name}")
    written = load_change_file(file)
    reply = await stage.tell("olga", Propose(summary=written.summary, changes=written.changes))
    assert isinstance(reply.result, dict)
    row = await stage.ended(str(reply.result["incident"]))
    return str(row["name"]), str(row["state"])
