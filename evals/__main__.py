"""`python -m evals list|prove|run`: the shipped scenarios, or folders that you name."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from estate.errors import BadInput
from estate.records import Model
from evals import scenarios

app = typer.Typer(no_args_is_help=True, help=__doc__, add_completion=False)


class Output(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"


Names = Annotated[list[str] | None, typer.Argument(help="Scenario names or folders; all shipped ones if none.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o")]


@app.command("list")
def list_them(output: OutputOption = Output.TABLE) -> None:
    """Name the shipped scenarios and say what happens in each."""
    loaded = [scenarios.load(p).scenario for p in scenarios.shipped()]
    _write(output, ("name", "summary"), [(s.name, s.summary.strip()) for s in loaded], loaded)


@app.command()
def prove(names: Names = None, output: OutputOption = Output.TABLE) -> None:
    """Check that each scenario tells right from wrong; exits with 1 when one does not."""
    from evals.proving import prove as prove_one

    proofs = [prove_one(loaded) for loaded in _named(names)]
    rows = [
        (p.name, str(p.gold.score), str(p.nothing.score), " ".join(str(w.score) for w in p.wrong), str(p.holds))
        for p in proofs
    ]
    _write(output, ("name", "gold", "nothing", "wrong", "holds"), rows, proofs)
    raise typer.Exit(0 if all(p.holds for p in proofs) else 1)


@app.command()
def run(names: Names = None, output: OutputOption = Output.TABLE, verbose: bool = False) -> None:
    """Play scenarios on a whole system and score the world afterwards; exits with 1 when one scores 0."""
    from console import logs
    from evals.running import run as run_one

    logs.quiet()
    console = Console(stderr=True) if verbose else None
    runs = [asyncio.run(run_one(loaded, console)) for loaded in _named(names)]
    rows = [
        (r.name, str(r.result.score), ", ".join(r.cases), f"{r.milliseconds} ms", "; ".join(r.result.faults))
        for r in runs
    ]
    _write(output, ("name", "score", "cases", "time", "faults"), rows, runs)
    raise typer.Exit(0 if all(r.result.score for r in runs) else 1)


def _named(names: list[str] | None) -> list[scenarios.Loaded]:
    known = {p.name: p for p in scenarios.shipped()}
    try:
        return [scenarios.load(known.get(n, Path(n))) for n in names or known]
    except BadInput as error:
        print(f"evals: {error}; known are {', '.join(known)}", file=sys.stderr)
        raise typer.Exit(2) from error


def _write(output: Output, columns: Sequence[str], rows: Sequence[Sequence[str]], models: Sequence[Model]) -> None:
    if output is Output.JSON:
        print(json.dumps([m.model_dump(mode="json") for m in models], indent=2))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    app()
