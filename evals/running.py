"""Plays a scenario's script on a whole running system and scores what the world looks like afterwards."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from console.demo.narrator import CheckFailed, Narrator
from console.demo.stage import FOUNDING, Stage, set_up
from console.door.commands import Ask as AskCommand
from console.door.commands import Propose as ProposeCommand
from estate.approvals import Word
from estate.progress import Progress
from estate.records import Model
from estate.workloads import Workload
from evals.oracles import Score, judge
from evals.proving import without_bystanders
from evals.scenarios import (
    Approve,
    Ask,
    Beat,
    DeviceFails,
    Loaded,
    Propose,
    Send,
    Settle,
    WorkloadStarts,
    WriteFails,
)


class Run(Model):
    """One scenario as it was run: the score, how each case ended, and the time it took in milliseconds."""

    name: str
    result: Score
    cases: tuple[str, ...]
    milliseconds: int


async def run(loaded: Loaded, console: Console | None = None) -> Run:
    """Found a fresh installation on the scenario's estate, play the script, judge the world.

    A script that cannot be played to its end scores 0, with the reason.
    """
    narrator = Narrator(console or Console(quiet=True))
    founding = replace(FOUNDING, facts=loaded.facts, world=loaded.world)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="placet-eval-") as scratch:
        async with set_up(Path(scratch) / "state", narrator, founding) as stage:
            result = await _played(stage, loaded)
            cases = tuple(str(row["state"]) for row in reversed(await stage.incidents()))
    milliseconds = int((time.monotonic() - started) * 1000)
    return Run(name=loaded.scenario.name, result=result, cases=cases, milliseconds=milliseconds)


async def _played(stage: Stage, loaded: Loaded) -> Score:
    """What the world is worth after the script, whatever stopped it."""
    script = _Script(stage, loaded.folder)
    stage.hooks += [_Starts(stage, b) for b in loaded.scenario.script if isinstance(b, WorkloadStarts) and b.at]
    try:
        for beat in loaded.scenario.script:
            await script.play(beat)
    except CheckFailed as failed:
        return Score(score=0, faults=(str(failed),))
    before = without_bystanders(loaded.start(), loaded.happened())
    return judge(loaded.scenario.oracle, before, await stage.system.world.snapshot())


class _Script:
    """Plays beats in order. What starts at a stage of a case is no beat of its own: it is armed before the first."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._folder = folder
        self._case: str | None = None

    async def play(self, beat: Beat) -> None:
        """One beat. Raises CheckFailed when it cannot be played."""
        world = self._stage.system.world
        match beat:
            case DeviceFails():
                await world.fail_accelerator(beat.node, beat.index)
            case WriteFails():
                await world.inject(beat.about, beat.change, "made to fail by the scenario", times=beat.times)
            case WorkloadStarts():
                if beat.at is None:
                    await world.start_workload(beat.workload)
            case Send():
                body = (self._folder / beat.body).read_bytes()
                await self._stage.post(beat.channel, beat.format, body)
                self._case = None
            case Ask():
                await self._open(beat.person, AskCommand(text=beat.text))
            case Propose():
                await self._open(beat.person, ProposeCommand(summary=beat.summary, changes=beat.changes))
            case Approve():
                await self._approve(beat.person)
            case Settle():
                await self._stage.ended(await self._current())

    async def _approve(self, person: str) -> None:
        incident = await self._current()
        row = await self._stage.settled(incident)
        if row["state"] != "awaiting-approval":
            raise CheckFailed(f"{person} was to approve, but the case is {row['state']}")
        reply = await self._stage.sign(person, incident, Word.APPROVE, "as the scenario says")
        if not reply.ok:
            raise CheckFailed(f"{person}'s approval was answered: {reply.message}")

    async def _open(self, person: str, command: AskCommand | ProposeCommand) -> None:
        opened = (await self._stage.tell(person, command)).result
        assert isinstance(opened, dict)
        self._case = str(opened["incident"])

    async def _current(self) -> str:
        """The case that the last command opened, or the newest that the senders did."""

        async def newest() -> str | None:
            rows = await self._stage.incidents()
            return str(rows[0]["name"]) if rows else None

        if self._case is not None:
            return self._case
        return await self._stage.until(newest, "a case to open")


class _Starts:
    """Starts a workload once, when a case first reaches a stage, and waits until the gate can know of it."""

    def __init__(self, stage: Stage, beat: WorkloadStarts) -> None:
        self._stage = stage
        self._beat = beat
        self._done = False

    async def __call__(self, progress: Progress) -> None:
        """The hook."""
        if self._done or progress.stage is not self._beat.at:
            return
        self._done = True
        await self._stage.system.world.start_workload(self._beat.workload)
        await self._stage.until(self._seen, "the inventory to see the other workload")

    async def _seen(self) -> Workload | None:
        return self._stage.system.inventories["gate"].newest().workload(self._beat.workload.id)
