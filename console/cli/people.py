"""Who speaks: `placet login`, `whoami`, `enrol`."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.invocations import Output, OutputOption, as_written, ask_door, given
from estate.words import Role


def login(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key on this machine speaks from now on.")],
    make: Annotated[bool, typer.Option("--make", help="Make the key where there is none, to be enrolled.")] = False,
) -> None:
    """Choose the identity of this machine.

    Example: `placet login dora --make` prints the public key that an administrator enrols.
    """
    import base64

    from console import identities
    from console.cli.rendering import note

    state = given(context).state()
    if make:
        identity, created = identities.make(state, name)
        if created:
            key = base64.b64encode(identity.signer.public_key).decode()
            note(f"made the key of {name}; an administrator runs: placet enrol {name} --role ROLE --public-key {key}")
    identities.choose(state, name)
    note(f"{name} speaks from now on")


def whoami(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Say who speaks, as the running system knows them.

    Example: `placet --as bruno whoami`
    """
    from console.cli.rendering import emit
    from console.door.commands import WhoAmI

    enrolment = ask_door(context, WhoAmI()).result
    if output is Output.TABLE and isinstance(enrolment, dict) and isinstance(enrolment["subject"], dict):
        shown = ("roles", "tenants", "key_id", "installation", "valid_until")
        enrolment = {"name": enrolment["subject"]["name"], **{k: enrolment[k] for k in shown}}
    emit(enrolment, output)


def enrol(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person.")],
    role: Annotated[list[Role], typer.Option(help="What they may do; may be given again.")],
    tenant: Annotated[list[str] | None, typer.Option(help="A tenant they speak for; may be given again.")] = None,
    person: Annotated[
        str, typer.Option(help="The human, where several accounts are one's: quorums count them once.")
    ] = "",
    public_key: Annotated[str | None, typer.Option(help="Their key in base64; without it one is made here.")] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="End their enrolment instead.")] = False,
) -> None:
    """Bind a person to a key, signed by you as an administrator; it stands in the ledger.

    Example: `placet enrol bruno --role tenant-owner --tenant tenant-b`
    """
    from datetime import UTC, datetime

    from console import identities
    from console.cli.rendering import emit
    from console.door.sealing import seal_enrolment
    from estate.ids import TenantId

    invocation = given(context)
    state = invocation.state()
    with as_written():
        subject = identities.person(state.record().id, name)
        key = _public_key(public_key) if public_key else identities.make(state, name)[0].signer.public_key
        tenants = tuple(TenantId(t) for t in tenant or ())
        record = identities.enrolment(subject, key, tuple(role), tenants, datetime.now(UTC), revoke)
        record = record.model_copy(update={"person": person})
    emit(ask_door(context, seal_enrolment(state, invocation.who(), record)).result, Output.TABLE)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(login)
    app.command()(whoami)
    app.command()(enrol)


def _public_key(text: str) -> bytes:
    import base64
    import binascii

    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise typer.BadParameter("--public-key is not base64; copy it again") from error
