"""`placet policy export admission|rbac`: what a person applies to a cluster. Works offline, from the facts alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import given

if TYPE_CHECKING:
    from datetime import datetime

    from estate.law import Facts
    from policies.admission.lawful import Ground
    from policies.admission.manifests import Manifest

app = typer.Typer(no_args_is_help=True)
exports = typer.Typer(no_args_is_help=True)
app.add_typer(exports, name="export", help="Write Kubernetes objects on stdout, to be read and applied.")


class Form(StrEnum):
    """How the objects are written: documents for people and `kubectl`, or one JSON list."""

    YAML = "yaml"
    JSON = "json"


FormOption = Annotated[Form, typer.Option("--output", "-o", help="How to write the objects.")]


@exports.command()
def admission(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    cluster: Annotated[str, typer.Option(help="The cluster, by its id in the facts.")],
    facts: Annotated[Path | None, typer.Option(help="An unsigned facts file instead of the signed facts.")] = None,
    break_glass: Annotated[
        list[str] | None, typer.Option(help="A group that may touch Placet's annotations where they are protected.")
    ] = None,
    scheduler: Annotated[
        list[str] | None,
        typer.Option(help="A user that binds pods and honours anti-affinity, beside `system:kube-scheduler`."),
    ] = None,
    register: Annotated[
        bool, typer.Option(help="Let the writer write under warrants alone that the gate has registered there.")
    ] = True,
    warn: Annotated[bool, typer.Option("--warn", help="Warn and audit only: refuse nothing, steer nothing.")] = False,
    output: FormOption = Form.YAML,
) -> None:
    """Compile the facts into admission policies for one cluster: the law at its door.

    Every write of Placet's own writer needs the annotation of a new warrant, which the gate has registered there
    (`registrar` of the cluster in `placet.yaml`; `--no-register` where it has no account yet). In the namespaces that
    the facts give to a tenant, a pod may be created or bound only where signed facts allow it (the reason says which
    policy, what was needed and what was found), and pods are steered to lawful nodes, so that they do not stay pending;
    tenants that were promised distance are kept apart by the scheduler. Other namespaces are not touched.

    Export again whenever facts are signed anew. See what it would refuse first: `--warn`.

    Example: `placet policy export admission --cluster eu-1 | kubectl apply --server-side -f -`
    """
    from estate.ids import ClusterId
    from policies.admission import distances, identities
    from policies.admission.exporting import admission as exported
    from policies.admission.lawful import survey

    held, groups = _facts(context, facts), tuple(break_glass or (identities.BREAK_GLASS,))
    where = ClusterId(cluster)
    schedulers = (distances.SCHEDULER, *(scheduler or ()))
    _write(exported(held, where, groups, schedulers=schedulers, enforce=not warn, registered=register), output)
    _tell(survey(held, where))


@exports.command()
def rbac(
    context: typer.Context,
    cluster: Annotated[
        str | None, typer.Option(help="Also let the writer write objects of this one's tenants.")
    ] = None,
    facts: Annotated[Path | None, typer.Option(help="An unsigned facts file instead of the signed facts.")] = None,
    output: FormOption = Form.YAML,
) -> None:
    """Write the namespace, the reader, the writer and the registrar with their roles; the same for every cluster.

    The reader looks at nodes, pods, their owners and disruption budgets. The writer can do what the changes need, and
    nothing of it without a warrant once the admission policies are in force. The registrar may
    write one role, the register of warrants, and nothing into it but warrants. None can read a secret. With
    `--cluster`, the writer may also apply and delete objects (ConfigMaps, Services, quotas and the like) in the
    namespaces that facts give a tenant there.

    Example: `placet policy export rbac | kubectl apply --server-side -f -`
    """
    from estate.ids import ClusterId
    from policies.admission import roles

    held = () if cluster is None else roles.tenancies(_facts(context, facts), ClusterId(cluster))
    _write((*roles.rbac(), *held), output)


def _facts(context: typer.Context, file: Path | None) -> Facts:
    """The signed facts of the installation, or those of a file, to look before signing. Expired ones are denied."""
    from datetime import UTC, datetime

    from estate.errors import Denied

    now = datetime.now(UTC)
    if file is None:
        return _signed(context, now)
    from console.cli.rendering import note
    from tools.inventory.files import load_facts

    found = load_facts(file)
    if now >= found.valid_until:
        raise Denied(f"{file}: the facts expired at {found.valid_until.isoformat()}; have them reviewed")
    note(f"{file} is not signed: look at what it would mean, and apply what is exported from signed facts")
    return found


def _signed(context: typer.Context, now: datetime) -> Facts:
    from console.lawgivers import facts_ring
    from estate.errors import BadInput
    from policies.signed_facts import open_facts

    state = given(context).state()
    ring = facts_ring(state.record())
    try:
        envelope = state.facts_path.read_bytes()
    except OSError as error:
        raise BadInput(f"`{state.facts_path}` cannot be read ({error.strerror}); run `placet init`") from error
    return open_facts(envelope, ring, now)


def _write(objects: Sequence[Manifest], output: Form) -> None:
    from policies.admission import rendering

    typer.echo(rendering.documents(objects) if output is Form.YAML else rendering.listed(objects), nl=False)


def _tell(ground: Ground) -> None:
    """What stands in the objects, for the person at the prompt."""
    from console.cli.rendering import note

    note(f"{ground.cluster}: {len(ground.nodes)} lawful nodes at {ground.site} by facts version {ground.version}")
    for tenancy in ground.tenancies:
        named = f"{tenancy.tenant} ({', '.join(tenancy.namespaces)})"
        note(f"{named}: {'; '.join(str(b) for b in tenancy.bars) or 'lawful here'}")
        if apart := sorted({*tenancy.off_nodes, *tenancy.off_racks}):
            note(f"{named}: kept apart by the scheduler from {', '.join(apart)}")
        for promise in tenancy.unheld:
            note(f"{named}: {promise} is not held at the door, only by placet's own decisions and its watch")
