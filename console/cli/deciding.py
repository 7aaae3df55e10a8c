"""What people decide: `approve`, `deny`, `freeze`, `unfreeze`, `mode`. Each is signed here, by the person's own key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.asking import TimeoutOption, WaitOption, finish, follow_case
from console.cli.invocations import Output, OutputOption, as_written, ask_door, given
from estate.words import Mode, Word

if TYPE_CHECKING:
    from console.door.commands import Command
    from estate.approvals import Diff
    from estate.conditions import Value

IncidentArgument = Annotated[str, typer.Argument(help="The incident that waits.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask after showing what is decided on.")]
SiteOption = Annotated[str | None, typer.Option(help="Only this site.")]
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant.")]


def approve(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    incident: IncidentArgument,
    reason: ReasonOption = "",
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 300,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what an incident's proposal would change, and approve exactly that.

    Example: `placet --as dora approve inc-3f2a --reason "night shift informed"`
    """
    command, decided = _word(context, incident, Word.APPROVE, reason, yes)
    if wait:
        finish(follow_case(context, command, timeout, decided), output)
    _emit(context, command, output)


def deny(
    context: typer.Context,
    incident: IncidentArgument,
    reason: ReasonOption = "",
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say no to an incident's proposal.

    Example: `placet deny inc-3f2a --reason "not during the release"`
    """
    command, _ = _word(context, incident, Word.DENY, reason, yes)
    _emit(context, command, output)


def freeze(
    context: typer.Context, site: SiteOption = None, tenant: TenantOption = None, reason: ReasonOption = ""
) -> None:
    """Stop every change in a scope within a second, at gate and executor; without a scope: everywhere.

    Example: `placet freeze --tenant tenant-b --reason "audit"`
    """
    _freeze(context, True, site, tenant, reason)


def unfreeze(
    context: typer.Context, site: SiteOption = None, tenant: TenantOption = None, reason: ReasonOption = ""
) -> None:
    """Lift the freeze of that very scope.

    Example: `placet unfreeze --tenant tenant-b`
    """
    _freeze(context, False, site, tenant, reason)


def mode(
    context: typer.Context,
    setting: Annotated[Mode, typer.Argument(help="observe, approve or automatic.")],
    site: SiteOption = None,
    tenant: TenantOption = None,
) -> None:
    """Say how much Placet may do on its own in a scope.

    Example: `placet mode approve --site eu-de`
    """
    from console.door.sealing import seal_mode

    invocation = given(context)
    with as_written():
        sealed = seal_mode(invocation.state(), invocation.who(), (site, tenant), setting)
    _emit(context, sealed, Output.TABLE)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (approve, deny, freeze, unfreeze, mode):
        app.command()(command)


def _word(context: typer.Context, incident: str, word: Word, reason: str, yes: bool) -> tuple[Command, str]:
    """The signed word on what the person was shown, and when the gate had last decided."""
    from console.door.commands import Pending
    from console.door.sealing import Decided, seal_word
    from estate.approvals import Diff
    from estate.ids import IncidentId

    name = IncidentId(incident)
    with as_written():
        question = Pending(incident=name)
    result = ask_door(context, question).result
    assert isinstance(result, dict)
    assert isinstance(result["diff"], dict)
    diff = Diff.read(result["diff"])
    _show(diff, result)
    if not yes:
        typer.confirm(f"{word.value} this?", abort=True, err=True)
    invocation = given(context)
    sealed = seal_word(invocation.state(), invocation.who(), Decided(name, diff, word, reason))
    return sealed, str(result["decided"])


def _show(diff: Diff, pending: Mapping[str, object]) -> None:
    from console.cli.rendering import note

    note(str(pending.get("summary", "")))
    for line in diff.lines:
        note(f"  {line.step}. {line.change}    undo: {line.undo}")
        before, after = dict(line.before), dict(line.after)
        for field in (*before, *(f for f in after if f not in before)):
            note(f"       {field}: {_change_of(field, before, after)}")
    for owed in _texts(pending.get("obligations")):
        note(f"  with it: {owed}")
    if (by := pending.get("approve_by")) is not None:
        note(f"  approve by {by}; its steps then begin within {pending.get('execute_within_seconds')} s, or not at all")
    if diff.elsewhere:
        note(f"  and {diff.elsewhere} steps that concern other tenants only")


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _change_of(field: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> str:
    """From what to what; a field that only the precondition names must stay as it is."""
    if field not in after:
        return f"{_said(before[field])} (must still be so)"
    return f"{_said(before[field])} → {_said(after[field])}" if field in before else f"→ {_said(after[field])}"


def _said(value: Value) -> str:
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)


def _freeze(context: typer.Context, frozen: bool, site: str | None, tenant: str | None, reason: str) -> None:
    from console.door.sealing import seal_freeze

    invocation = given(context)
    with as_written():
        sealed = seal_freeze(invocation.state(), invocation.who(), (site, tenant), frozen, reason)
    _emit(context, sealed, Output.TABLE)


def _emit(context: typer.Context, command: Command, output: Output) -> None:
    from console.cli.rendering import emit

    emit(ask_door(context, command).result, output)
