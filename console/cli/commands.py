"""All commands of `placet`, each from a module of its own; built once they are asked for.

Called by `main` and by tests. Every command imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from console.cli import (
    asking,
    contacting,
    deciding,
    drifting,
    estates,
    facts,
    fleets,
    getting,
    inspecting,
    judging,
    law,
    lawbooks,
    ledgers,
    letters,
    offering,
    parting,
    people,
    placing,
    planning,
    relieving,
    running,
    supposing,
    viewing,
    witnessing,
)
from console.cli.invocations import Invocation

app = typer.Typer(
    name="placet",
    help="Agents propose, the law decides, and nothing changes without a warrant.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


@app.callback()
def options(
    context: typer.Context,
    state_dir: Annotated[Path | None, typer.Option(help="Where the installation is (PLACET_STATE_DIR).")] = None,
    config: Annotated[Path | None, typer.Option(help="placet.yaml (PLACET_CONFIG).")] = None,
    speaker: Annotated[str | None, typer.Option("--as", help="Speak as this identity (PLACET_AS).")] = None,
    nats_url: Annotated[str | None, typer.Option(help="A NATS server of your own (PLACET_NATS_URL).")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and debug logs.")] = False,
) -> None:
    """Where the installation is and who speaks."""
    context.obj = Invocation(state_dir, config, speaker, nats_url)
    if debug:
        from console.logs import verbose

        verbose()


for commands in (
    running,
    parting,
    contacting,
    asking,
    getting,
    viewing,
    drifting,
    placing,
    offering,
    supposing,
    fleets,
    deciding,
    relieving,
    judging,
    people,
    inspecting,
    witnessing,
):
    commands.register(app)
app.add_typer(ledgers.app, name="ledger", help="The tamper-evident record.")
app.add_typer(
    lawbooks.app,
    name="policy",
    help="The rules: numbers, proofs, cases; and at a cluster's own door.",
)
app.add_typer(planning.app, name="plan")
app.add_typer(facts.app, name="facts", help="The signed facts.")
app.add_typer(law.app, name="law", help="The law and what it says of what runs.")
app.add_typer(estates.app, name="estate", help="Estate files: make some up, or check yours.")
app.add_typer(letters.app, name="dlq", help="Messages that could not be handled.")


@cache
def command() -> Callable[[], object]:
    """All commands as their signatures say, which takes longer than most of them."""
    built: Callable[[], object] = get_command(app)
    return built
