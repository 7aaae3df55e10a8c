"""`placet facts register`: the signed facts name what is installed here, digest by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, given

if TYPE_CHECKING:
    from estate.canonical import Json
    from estate.ids import Digest
    from estate.law import Registration

app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("component", "sort", "content", "owner", "tenants", "was")


@app.callback()
def facts() -> None:
    """The signed facts."""


@app.command()
def register(
    context: typer.Context,
    owner: Annotated[str | None, typer.Option(help="The legal entity that answers for them.")] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="Let all of them see every tenant's work and every class of data.")
    ] = False,
    image: Annotated[
        list[str] | None,
        typer.Option(help="An image that the agent's pods may run, as `sha256:…`; say it once for each."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be signed, and sign nothing.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Register the agents, the runbook and the tools that are installed here, and sign the facts with that.

    After an upgrade their digests are others, and the gate permits nothing of theirs until this was said, where the
    facts' key lies and the same release is installed. What was registered keeps its tenants, classes of data and end.

    Example: `placet facts register --dry-run`
    """
    from datetime import UTC, datetime

    from console.cli.rendering import emit, note
    from console.initialising import register_installed
    from console.registering import Registering
    from estate.ids import EntityId

    images = tuple(_digest(i) for i in image or ())
    asked = Registering(EntityId(owner) if owner else None, all_tenants, images)
    before, found = register_installed(given(context).state(), asked, datetime.now(UTC), sign=not dry_run)
    rows: list[Json] = [_row(r, before.registration.get(r.id)) for r in (*found.new, *found.renewed)]
    if rows or output is not Output.TABLE:
        emit(rows, output, _COLUMNS)
    if not found.changed:
        note(f"everything that is installed here is registered by facts version {found.facts.version}")
    elif dry_run:
        note(f"{len(rows)} components would be registered; nothing was signed")
    else:
        note(f"{len(rows)} components registered by facts version {found.facts.version}; what runs reads it in seconds")


def _digest(text: str) -> Digest:
    """Raises BadInput: it is none."""
    from pydantic import TypeAdapter, ValidationError

    from estate.errors import BadInput
    from estate.ids import Digest

    try:
        return TypeAdapter[Digest](Digest).validate_python(text.rpartition("@")[2])
    except ValidationError as error:
        raise BadInput(f"`{text}` names no digest; write `sha256:` and 64 figures, as the registry tells it") from error


def _row(registration: Registration, before: Registration | None) -> dict[str, Json]:
    return {
        "component": registration.id,
        "sort": registration.sort.value,
        "content": registration.content,
        "owner": registration.owner,
        "tenants": len(registration.tenants),
        "was": before.content if before is not None else "",
    }
