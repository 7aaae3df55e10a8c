"""`python -m tests.hostile`: a hostile proposer against the four profiles (`make hostile`).

Prints one table for each question, or everything as JSON. Exits with 1 when two opinions of the law differ, when less
than a tenth was permitted under a profile, or when under none of the four a kind of change, a dimension or a rule of
tier 0 occurred.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from tests.hostile.attacking import attacked
from tests.hostile.campaigns import PROFILES
from tests.hostile.tallying import ANSWERS, Tally, missing

SEEDS_APART = 1_000_000
_SHARDS = 4
"""Parts of one profile, each with seeds of its own, so that two cores end at one time."""


def main(
    profile: Annotated[list[str], typer.Option(help="Of these profiles; all four if none.")] = [*PROFILES],  # noqa: B006
    proposals: Annotated[int, typer.Option(help="Of each profile.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Where the seeds begin.")] = 0,
    processes: Annotated[int, typer.Option(help="How many at one time.")] = 2,
    output: Annotated[str, typer.Option("--output", "-o", help="`table` or `json`.")] = "table",
) -> None:
    """Attack each profile with so many proposals."""
    started = time.monotonic()
    jobs = [(p, -(-proposals // _SHARDS), seed + (n + 1) * SEEDS_APART) for p in profile for n in range(_SHARDS)]
    tallies = {p: Tally() for p in profile}
    with ProcessPoolExecutor(processes, initializer=_silence) as pool:
        for (name, _, _), tally in zip(jobs, pool.map(attacked, *zip(*jobs, strict=True)), strict=True):
            tallies[name].add(tally)
    if output == "json":
        typer.echo(json.dumps({p: t.json_form() for p, t in tallies.items()}, indent=2))
    else:
        _print(tallies)
    typer.echo(f"{time.monotonic() - started:.0f} s, seeds from {seed}", err=True)
    every = set(tallies) == set(PROFILES) and len(tallies) * proposals >= 10_000
    faults = missing(list(tallies.values())) if every else []
    faults += [
        f"{p}: too few permits to mean anything" for p, t in tallies.items() if t.answers["permit"] * 10 < t.judged
    ]
    for fault in faults:
        typer.echo(f"hostile: {fault}", err=True)
    raise typer.Exit(1 if faults else 0)


def _silence() -> None:
    """What is refused is counted; the log of a gate would stand among the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _print(tallies: Mapping[str, Tally]) -> None:
    whole = Tally()
    for tally in tallies.values():
        whole.add(tally)
    console = Console()
    console.print(_table("profile", {p: t.answers for p, t in tallies.items()}))
    console.print(_table("kind of change", _by_first(whole.kinds)))
    console.print(_table("aim", _by_first(whole.aims)))
    for title, counts in (("rule", "rules"), ("dimension", "dimensions")):
        console.print(_reasons(title, counts, tallies))


def _by_first(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for (name, answer), count in sorted(counts.items()):
        rows.setdefault(name, {})[answer] = count
    return rows


def _table(title: str, rows: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(title, "proposals", *ANSWERS)
    for name, counts in rows.items():
        cells: Sequence[int] = [counts.get(a, 0) for a in ANSWERS]
        table.add_row(name, str(sum(cells)), *map(str, cells))
    return table


def _reasons(title: str, field: str, tallies: Mapping[str, Tally]) -> Table:
    """How many proposals each was a reason against, by profile."""
    table = Table(title, *tallies)
    names = {n for t in tallies.values() for n in getattr(t, field)}
    for name in sorted(names):
        table.add_row(name, *(str(getattr(t, field)[name]) for t in tallies.values()))
    return table


if __name__ == "__main__":
    typer.run(main)
