"""`placet demo`: the three acts and the audit, on embedded defaults, to an end of its own."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from console.demo import audit, grounds, incident, picture, proposal, request
from console.demo.grounds import Opened
from console.demo.narrator import CheckFailed, Narrator
from console.demo.stage import FOUNDING, Stage, set_up
from policies.ledger.port import EntryKind

WIDEST = 132
"""Columns beyond which lines are harder to read than wrapped ones."""


async def play(out: Path | None, stay: bool, console: Console, opened: Opened = grounds.twin) -> int:
    """Play everything on the ground that is `opened`; 0 when every claim held.

    `out` keeps what is left; `stay` keeps the system up until Ctrl-C.
    """
    console.record = out is not None
    console.width = min(console.width, WIDEST)
    narrator = Narrator(console)
    with tempfile.TemporaryDirectory(prefix="placet-demo-") as scratch:
        state, folder = Path(scratch) / "state", out or Path(scratch)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        try:
            async with AsyncExitStack() as stack:
                ground = await stack.enter_async_context(opened(narrator, Path(scratch)))
                founding = replace(FOUNDING, facts=ground.facts)
                stage = await stack.enter_async_context(set_up(state, narrator, founding, ground))
                narrator.says("placet", f"is up: NATS {stage.system.nats_url}, HTTP door :{stage.system.http_port}")
                timings = await _acts(stage, folder)
                await _summarise(stage, folder, timings)
                _farewell(narrator, out)
                if stay:
                    await _stay(stage)
        except CheckFailed as failed:
            console.print(f"\n[bold red]the demo failed:[/bold red] {failed}")
            return 1
    return 0


async def _acts(stage: Stage, folder: Path) -> dict[str, float]:
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "incident": lambda: incident.play(stage),
        "request": lambda: request.play(stage),
        "proposal": lambda: proposal.play(stage, folder / "change.yaml"),
        "audit": lambda: audit.play(stage, folder),
    }
    timings = {"start": time.monotonic() - stage.narrator.started}
    for name, act in acts.items():
        started = time.monotonic()
        await act()
        timings[name] = time.monotonic() - started
        if stage.narrator.console.record:
            await asyncio.to_thread(
                picture.save, stage.narrator.console, folder / f"{name}.svg", f"placet demo · {name}"
            )
    return timings


async def _summarise(stage: Stage, folder: Path, timings: dict[str, float]) -> None:
    counts = {kind.value: 0 for kind in EntryKind}
    async for entry in stage.system.ledger.entries():
        counts[entry.kind.value] += 1
    summary = {
        "seconds": {name: round(seconds, 3) for name, seconds in timings.items()},
        "ledger": {kind: count for kind, count in counts.items() if count},
        "events_sent": len(stage.sent),
        "checks": [{"claim": claim, "holds": holds} for claim, holds in stage.narrator.checks],
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in stage.sent))
    rows = [(name, f"{seconds:.2f} s") for name, seconds in timings.items()]
    stage.narrator.table("What it took", ("part", "time"), rows)
    written = ("proposed", "decided", "issued", "consumed", "outcome")
    stage.narrator.table("In the ledger", written, [[str(counts[kind]) for kind in written]])


def _farewell(narrator: Narrator, out: Path | None) -> None:
    narrator.console.print(f"\n{len(narrator.checks)} claims made, all of them held.")
    where = f"Everything is in {out}. " if out else "With `--out DIR` the events, ledger and keys are kept. "
    narrator.console.print(f"{where}Try next: [bold]placet init && placet run[/bold]")


async def _stay(stage: Stage) -> None:
    state = stage.state.root
    stage.narrator.console.print(
        f"Still up. In another terminal: placet --state-dir {state} get incidents · Ctrl-C ends."
    )
    try:
        await stage.system.wait()
    except asyncio.CancelledError:
        return
