"""`placet why`, `place` and `offer`: why something waits, where it would go, what can be promised. All only look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.answers import EstateOption, Row, SitesOption, answer, document, fields, listed, rows
from console.cli.completing import names
from console.cli.invocations import Output, OutputOption, as_written

if TYPE_CHECKING:
    from estate.canonical import Json

WorkloadArgument = Annotated[
    str, typer.Argument(help="Its name, of `placet get workloads`.", autocompletion=names("workload"))
]


def why(
    context: typer.Context,
    workload: WorkloadArgument,
    site: SitesOption = None,
    plainly: Annotated[bool, typer.Option("--plainly", help="As the holder of the contract would be told.")] = False,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell why replicas of a workload wait: what refuses it, needed against found, and what would let it in.

    `nodes` counts those that a constraint refuses, whatever else does; what helps was computed, by changing that one
    thing and placing again. A tenant is told in the contract's own words. Exits with 1 while it does not fit.

    Examples: `placet why a-train` · `placet why a-train --site eu-de -o json` · `placet --as erin why a-train`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import Why

    with as_written():
        command = Why.model_validate({"workload": workload, "sites": site or (), "plainly": plainly})
    found = fields(answer(context, command, estate))
    if output is not Output.TABLE:
        emit(found, output)
        raise typer.Exit(0 if found["fits"] else 1)
    if not found["waiting"]:
        note(f"every replica of {workload} has a node")
    elif found["fits"]:
        emit(found["homes"], output)
        note(f"{len(listed(found['waiting']))} replicas wait, and would all fit now: look at what binds them")
    else:
        _obstacles(found)
    raise typer.Exit(0 if found["fits"] else 1)


def _obstacles(found: Row) -> None:
    """A refusal as a table, and what would help."""
    from console.cli.rendering import emit, note

    if reasons := rows(found["reasons"]):
        emit([*reasons], Output.TABLE, ("nodes", "constraint", "needed", "found"))
    else:
        emit([*rows(found["plainly"])], Output.TABLE)
    helps = [str(h["says"]) for h in rows(found["helps"])]
    for line in helps:
        note(f"it would fit if you {line}")
    if not helps:
        note(
            str(found["nearest"])
            or "nothing that you could change by yourself would let it in; ask the platform's people"
        )


def place(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    workload: WorkloadArgument,
    replica: Annotated[
        list[int] | None, typer.Option(help="Of these replicas; else of those that wait, or of all.")
    ] = None,
    site: SitesOption = None,
    avoid: Annotated[list[str] | None, typer.Option(help="Not on this node; may be given again.")] = None,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell where replicas would go if they were placed now, with the terms of the score and the runner-up.

    Nothing is reserved or moved: `placet ask` and `placet propose` do that. Exits with 1 if there is no home.

    Examples: `placet place a-train` · `placet place a-serve --replica 0 --avoid eu-a1` · `placet place a-serve -o json`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import WouldPlace

    with as_written():
        form = {"workload": workload, "replicas": replica or (), "sites": site or (), "avoid": avoid or ()}
        command = WouldPlace.model_validate(form)
    found = fields(answer(context, command, estate))
    if output is not Output.TABLE:
        emit(found, output)
    elif not found["fits"]:
        refused = rows(found.get("refused")) or rows(found.get("plainly"))
        emit([*refused], output, ("nodes", "constraint", "needed", "found") if "refused" in found else ())
        note(f"no home; nearest: {found.get('nearest') or 'see `placet why`'}")
    elif "bindings" in found:
        emit(found["bindings"], output)
        terms = ", ".join(f"{t['name']} {t['value']}" for t in rows(found["score"]))
        note(f"{terms}; runner-up: {found['runner_up'] or 'none'}")
    else:
        emit(found, output)
    raise typer.Exit(0 if found["fits"] else 1)


def offer(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="For whom.", autocompletion=names("tenant"))] = None,
    accelerators: Annotated[int | None, typer.Option(help="Of each replica.")] = None,
    replicas: Annotated[int, typer.Option(help="How many.")] = 1,
    model: Annotated[list[str] | None, typer.Option(help="This accelerator will do; may be given again.")] = None,
    memory: Annotated[int, typer.Option(help="Least memory of each accelerator, in MiB.")] = 0,
    bandwidth: Annotated[str, typer.Option(help="any, same-node or same-nvlink-domain.")] = "same-node",
    share: Annotated[int | None, typer.Option(help="Thousandths of one accelerator, for each replica.")] = None,
    profile: Annotated[str, typer.Option(help="Slices of that size, such as 1g.10gb.")] = "",
    cpu: Annotated[int, typer.Option(help="Thousandths of a processor for each replica.")] = 0,
    host_memory: Annotated[int, typer.Option(help="Memory of each replica beside its accelerators', in MiB.")] = 0,
    locality: Annotated[str | None, typer.Option(help="All of it in one numa node or pcie-switch.")] = None,
    rails: Annotated[int, typer.Option(help="RDMA ports of its own for each replica.")] = 0,
    together: Annotated[str | None, typer.Option(help="All replicas in one node, rack, leaf, feed or site.")] = None,
    spread: Annotated[str | None, typer.Option(help="No two replicas in one node, rack, leaf, feed or site.")] = None,
    kind: Annotated[str, typer.Option(help="training, fine-tuning, inference, agent or batch.")] = "training",
    site: SitesOption = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Data that it uses; may be given again.")] = None,
    cost_ceiling: Annotated[int | None, typer.Option(help="Millionths of a US dollar an hour, for all.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="The whole request as YAML or JSON.")] = None,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what can be promised to who asks: guaranteed, best effort, a counter-offer, or refused with reasons.

    Guaranteed: it fits now, within law and power, and after the loss of any node or rack (`outlives` in a file) all of
    it would have a second home that is nobody else's. Nothing is reserved. Exits with 1 unless it is one of these two.

    Examples: `placet offer --tenant tenant-a --accelerators 8 --replicas 2 --model NVIDIA-H100-80GB-HBM3` ·
    `placet offer -f request.yaml -o json`
    """
    from console.cli.rendering import emit
    from console.door.commands import OfferAsked

    given = {
        "tenant": tenant,
        "accelerators": accelerators,
        "replicas": replicas,
        "models": model or (),
        "memory_mebibytes": memory,
        "bandwidth": bandwidth,
        "share": share,
        "profile": profile,
        "millicores": cpu,
        "host_mebibytes": host_memory,
        "locality": locality,
        "rails": rails,
        "together": together,
        "spread": spread,
        "kind": kind,
        "sites": site or (),
        "datasets": dataset or (),
        "cost_ceiling": cost_ceiling,
    }
    if file is None and (tenant is None or accelerators is None):
        raise typer.BadParameter("name `--tenant` and `--accelerators`, or give the request as a file with `-f`")
    with as_written():
        command = OfferAsked.model_validate({"request": document(file) if file is not None else given})
    found = fields(answer(context, command, estate))
    if output is Output.TABLE:
        _told(found)
    else:
        emit(found, output)
    raise typer.Exit(0 if found["grade"] in ("guaranteed", "best-effort") else 1)


def _told(found: Row) -> None:
    """An offer for people."""
    from console.cli.rendering import emit, note

    note(f"{found['grade']}{_cost(found['micro_usd_per_hour'])}")
    if places := rows(found["places"]):
        emit([*places], Output.TABLE)
    for why in listed(found["because"]):
        note(f"because: {why}" if found["grade"] == "best-effort" else f"needed and not found: {why}")
    for counter in rows(found["counters"]):
        note(f"instead: {counter['instead']}{_cost(counter['micro_usd_per_hour'])}")
        emit([*rows(counter["places"])], Output.TABLE)
    if isinstance(refusal := found["refusal"], dict):
        _obstacles(refusal)


def _cost(value: Json) -> str:
    return f" at {int(value) / 1e6:.2f} US dollars an hour" if isinstance(value, int) else ""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (why, place, offer):
        app.command()(command)
