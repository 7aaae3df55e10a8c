"""What lets a guardrail give way: `except` and `break-glass`. Each is signed here, by the person's own key."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.deciding import SiteOption, TenantOption
from console.cli.invocations import Output, as_written, ask_door, given

Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]


def except_(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="The rule of tier 1 that gives way (`placet policy rules`).")],
    reason: Reason,
    site: SiteOption = None,
    tenant: TenantOption = None,
    target: Annotated[str, typer.Option(help="Only for this thing, as a verdict calls it: `rack/eu-a`.")] = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="For how long.")] = 1,
    revoke: Annotated[bool, typer.Option("--revoke", help="End the exception of that very scope instead.")] = False,
) -> None:
    """Let one guardrail give way in a scope for some days, signed by you as an administrator. Never tier 0.

    Example: `placet except change-window --site eu-de --days 1 --reason "firmware of the vendor, CHG-7781"`
    """
    from datetime import timedelta

    from console.cli.rendering import emit
    from console.door.sealing import Excepted, seal_exception

    invocation = given(context)
    with as_written():
        asked = Excepted(rule, (site, tenant), target, reason, timedelta(days=days), revoke)
        sealed = seal_exception(invocation.state(), invocation.who(), asked)
    emit(ask_door(context, sealed).result, Output.TABLE)


def break_glass(
    context: typer.Context,
    reason: Reason,
    site: SiteOption = None,
    tenant: TenantOption = None,
    second: Annotated[str | None, typer.Option(help="Second what another human broke, by its name.")] = None,
    review: Annotated[str | None, typer.Option(help="Review what was done; the reason is the finding.")] = None,
) -> None:
    """Lift the guardrails of tier 1 in a scope for one hour: you break the glass, another human seconds it.

    Tier 0 stays, approvals stay, a freeze stays. A third person has to review it, and `placet doctor` says so until
    they have. `placet get reliefs` shows the name.

    Example: `placet break-glass --site eu-de --reason "cooling is failing, move everything"`
    """
    from console.cli.rendering import emit
    from console.door.sealing import Said, seal_glass
    from estate.ids import Digest
    from estate.reliefs import GlassWord

    if second and review:
        raise typer.BadParameter("--second, --review: give one of them; nobody reviews what they seconded")
    word = GlassWord.SECOND if second else GlassWord.REVIEW if review else GlassWord.BREAK
    name = second or review
    invocation = given(context)
    with as_written():
        said = Said(word, Digest(name) if name else None, (site, tenant), reason)
        sealed = seal_glass(invocation.state(), invocation.who(), said)
    emit(ask_door(context, sealed).result, Output.TABLE)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("except")(except_)
    app.command()(break_glass)
