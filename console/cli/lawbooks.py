"""`placet policy rules|profiles|profile`: what the law asks, which duty each rule serves, and with which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import proving
from console.cli.invocations import Output, OutputOption

if TYPE_CHECKING:
    from estate.canonical import Json

app = proving.app
_COLUMNS = ("rule", "tier", "dimension", "obligation", "lifted_by", "reason")


@app.command()
def rules(
    tier: Annotated[int | None, typer.Option(min=0, max=2, help="Only those of this tier.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the rules: tier, dimension, the obligations that each serves, and what lifts it.

    Example: `placet policy rules --tier 0`
    """
    from console.cli.rendering import emit
    from policies.bundle import Rule, shipped_rules

    def lifted_by(rule: Rule) -> str:
        if rule.requires is not None:
            return f"approval of {rule.requires.value}"
        return "exception, broken glass" if rule.liftable else ""

    known = sorted(shipped_rules().values(), key=lambda r: (r.tier, r.id))
    rows: list[Json] = [
        {
            "rule": r.id,
            "tier": r.tier,
            "effect": "forbid" if r.forbids else "permit",
            "dimension": r.dimension.value,
            "obligation": r.obligation,
            "lifted_by": lifted_by(r),
            "firm": r.firm,
            "reason": r.reason,
        }
        for r in known
        if tier in (None, r.tier)
    ]
    emit(rows, output, _COLUMNS)


@app.command()
def profiles(output: OutputOption = Output.TABLE) -> None:
    """List the profiles that come along: the numbers that rules compare with.

    Example: `placet policy profiles`
    """
    from console import profiles as known
    from console.cli.rendering import emit

    found = [known.chosen(name) for name in known.shipped()]
    emit([{"name": p.name, "summary": p.summary} for p in found], output)


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="One that comes along, or the path of a file.")],
    output: OutputOption = Output.YAML,
) -> None:
    """Show every number of a profile, what it leaves to the house included. A file is checked thereby.

    Example: `placet policy profile bank > ours.yaml`
    """
    from console import profiles as known
    from console.cli.rendering import emit
    from policies.domains import Sort

    found = known.chosen(name)
    whole = found.model_copy(update={"breakers": tuple(found.breaker(s) for s in Sort)})
    emit(whole.json_form(), output)
