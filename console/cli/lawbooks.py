"""`placet policy rules|profiles|profile|sign`: what the law asks, with which numbers, who signs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import proving
from console.cli.invocations import Output, OutputOption, as_written, ask_door, given

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


@app.command()
def sign(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="What was read, and why it may be the law; it stands in the ledger.")],
    profile: Annotated[
        str | None, typer.Option(help="With the numbers of this profile, or file; else those of `placet.yaml`.")
    ] = None,
    author: Annotated[
        str | None, typer.Option(help="Who wrote a profile of your own; you, where it says nothing.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="For how long; then it is read and signed again.")] = 365,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the signature back instead.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Sign the installed rules, with the numbers of one profile, into force. Nothing is decided by what nobody signed.

    `placet init` signs the release that it was run with, with each of its profiles. After an upgrade, and for a profile
    of your own, an administrator or a policy author reads what is new (`placet policy diff`, `rules`, `profile`) and
    signs it here. Whoever wrote a profile of your own approves nothing that is decided by it.

    Example: `placet policy sign --profile ours.yaml --reason "read with the compliance officer, CHG-8123"`
    """
    from datetime import timedelta

    from console import identities
    from console import profiles as known
    from console.cli.rendering import emit
    from console.door.sealing import Ratifying, seal_ratification

    invocation = given(context)
    with as_written():
        name = profile or invocation.settings().profile
        bundle = known.bundle(name)
        speaker = identities.load(invocation.state(), invocation.who()).subject.name
        wrote = author or ("" if name in known.shipped() else speaker)
        asked = Ratifying((bundle.digest,), wrote, reason, timedelta(days=days), revoke)
        sealed = seal_ratification(invocation.state(), invocation.who(), asked)
    emit(ask_door(context, sealed).result, output)
