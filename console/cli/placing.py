"""`placet why`, `place` and `offer`: why something waits, where it would go, what can be promised.

They only look, unless an offer is to be reserved; `placet release` gives that back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.answers import EstateOption, Row, SitesOption, answer, document, fields, listed, rows
from console.cli.asking import TimeoutOption, WaitOption
from console.cli.completing import names
from console.cli.invocations import Output, OutputOption, as_written, ask_door

if TYPE_CHECKING:
    from estate.canonical import Json

FromOption = Annotated[
    str | None, typer.Option("--from", help="From when it is wanted, `2026-11-27T18:00:00Z`; else from now.")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Until when; else to the deadline, or for a day.")]
MeanwhileOption = Annotated[str, typer.Option(help="Who may be there until then: nobody, ending, preemptible.")]
WorkloadArgument = Annotated[
    str, typer.Argument(help="Its name, of `placet get workloads`.", autocompletion=names("workload"))
]


def why(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    workload: WorkloadArgument,
    site: SitesOption = None,
    plainly: Annotated[bool, typer.Option("--plainly", help="As the holder of the contract would be told.")] = False,
    each_node: Annotated[bool, typer.Option("--nodes", help="Tell of each node what it lacks.")] = False,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell why replicas of a workload wait: what refuses it, needed against found, and what would let it in.

    `nodes` counts those that a constraint refuses, whatever else does; `--nodes` and `-o json` tell of each node what
    it lacks. What helps was computed, by changing that one thing and placing again. A tenant is told in the contract's
    own words. Exits with 1 while it does not fit.

    Examples: `placet why a-train` · `placet why a-train --nodes` · `placet why a-train --site eu-de -o json` ·
    `placet --as erin why a-train`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import Why

    with as_written():
        each = each_node or output is not Output.TABLE
        form = {"workload": workload, "sites": site or (), "plainly": plainly, "each_node": each}
        command = Why.model_validate(form)
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
        _obstacles(found, each_node=each_node)
    raise typer.Exit(0 if found["fits"] else 1)


_PLAIN = ("needed", "share_percent")


def _obstacles(found: Row, *, each_node: bool = False) -> None:
    """A refusal as a table, and what would help."""
    from console.cli.rendering import emit, note

    if each_node and (lacking := rows(found["by_node"])):
        emit([*lacking], Output.TABLE, ("node", "constraint", "needed", "found"))
    elif reasons := rows(found["reasons"]):
        emit([*reasons], Output.TABLE, ("nodes", "constraint", "needed", "found"))
    else:
        emit([*rows(found["plainly"])], Output.TABLE, _PLAIN)
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
        emit([*refused], output, ("nodes", "constraint", "needed", "found") if "refused" in found else _PLAIN)
        note(f"no home; nearest: {found.get('nearest') or 'see `placet why`'}")
        if isinstance(yielding := found.get("preemption"), dict):
            emit([*rows(yielding["yields"])], output)
            note("these have a lower priority and could yield: `-o json` has the changes for `placet propose`")
    elif "bindings" in found:
        emit(found["bindings"], output)
        terms = ", ".join(f"{t['name']} {t['value']}" for t in rows(found["score"]))
        note(f"{terms}; runner-up: {found['runner_up'] or 'none'}")
        for stage in rows(found.get("stages")):
            note(f"together with its stage {stage['workload']}")
            emit(stage["bindings"], output)
        _brought(found)
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
    need: Annotated[list[str] | None, typer.Option(help="Such as share=300 or locality=numa; see docs.")] = None,
    together: Annotated[str | None, typer.Option(help="All replicas in one node, rack, leaf, feed or site.")] = None,
    spread: Annotated[str | None, typer.Option(help="No two replicas in one node, rack, leaf, feed or site.")] = None,
    kind: Annotated[str, typer.Option(help="training, fine-tuning, inference, agent or batch.")] = "training",
    site: SitesOption = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Data that it uses; may be given again.")] = None,
    cost_ceiling: Annotated[int | None, typer.Option(help="Millionths of a US dollar an hour, for all.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="The whole request as YAML or JSON.")] = None,
    reserve: Annotated[bool, typer.Option("--reserve", help="Propose that it is reserved: the gate decides.")] = False,
    start: FromOption = None,
    end: UntilOption = None,
    workload: Annotated[str | None, typer.Option(help="Reserved for this one of theirs alone.")] = None,
    meanwhile: MeanwhileOption = "preemptible",
    afterwards: Annotated[str, typer.Option(help="What their work does then: stays, yields.")] = "stays",
    estate: EstateOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = 300,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what can be promised to who asks: guaranteed, best effort, a counter-offer, or refused with reasons.

    Guaranteed: it fits, within law and power, and after the loss of any node or rack (`outlives` in a file) all of
    it would have a second home that is nobody else's. Exits with 1 unless it is one of these two. `--from` and
    `--until` look at that time; `--reserve` proposes that it is reserved. Without, nothing is.

    Examples: `placet offer --tenant tenant-a --accelerators 8 --reserve --from 2026-11-27T18:00:00Z` ·
    `placet offer --tenant tenant-a --accelerators 8 --model NVIDIA-H100-80GB-HBM3` · `placet offer -f request.yaml`
    """
    given = {
        "tenant": tenant,
        "accelerators": accelerators,
        "replicas": replicas,
        "models": model or (),
        "memory_mebibytes": memory,
        "bandwidth": bandwidth,
        "together": together,
        "spread": spread,
        "kind": kind,
        "sites": site or (),
        "datasets": dataset or (),
        "cost_ceiling": cost_ceiling,
        **_needed(need or ()),
    }
    if file is None and (tenant is None or accelerators is None):
        raise typer.BadParameter("name `--tenant` and `--accelerators`, or give the request as a file with `-f`")
    terms = {"workload": workload, "meanwhile": meanwhile, "afterwards": afterwards}
    window = {"start": start, "end": end, **terms} if reserve or start or end else None
    found = _offered(context, given if file is None else file, window, estate)
    _answered(context, found, reserve and estate is None, (wait, timeout, output))


def _offered(
    context: typer.Context, asked: Mapping[str, object] | Path, window: Mapping[str, object] | None, estate: Path | None
) -> Row:
    """The answer to a request that was given, or written in a file."""
    from console.door.commands import OfferAsked

    request = document(asked) if isinstance(asked, Path) else asked
    with as_written():
        command = OfferAsked.model_validate({"request": request, "window": window})
    return fields(answer(context, command, estate))


def _answered(context: typer.Context, found: Row, reserve: bool, how: tuple[bool, int, Output]) -> None:
    """Tell the offer, and propose what it would reserve: the case is then what is told as data."""
    from console.cli.rendering import emit

    change, output = found["reservation"], how[2]
    if output is Output.TABLE:
        _told(found)
    elif not (reserve and change):
        emit(found, output)
    if reserve and change:
        form = fields(change)
        _propose(context, f"reserve capacity as {form['reservation']}", form, how)
    raise typer.Exit(0 if found["grade"] in ("guaranteed", "best-effort") else 1)


def release(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="What: reservation.")],
    name: Annotated[str, typer.Argument(help="Its name, of `placet get reservations`.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")] = "",
    wait: WaitOption = True,
    timeout: TimeoutOption = 300,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give back what is reserved before its end: proposed like every change, and done with a warrant.

    Its tenant is asked, where somebody else releases it.

    Example: `placet release reservation tenant-a-3f2a91c07b --reason "trained early"`
    """
    from console.door.commands import Get
    from console.door.desk import NotFound

    if kind not in ("reservation", "reservations"):
        raise typer.BadParameter(f"`{kind}` is not released; write `reservation`")
    with as_written():
        question = Get.model_validate({"what": "reservation", "name": name})
    held = rows(ask_door(context, question).result)
    if not held:
        raise NotFound(f"no reservation `{name}`; see `placet get reservations`")
    form = {"kind": "ReleaseCapacity", "reservation": name, "tenant": held[0]["tenant"], "reason": reason}
    _propose(context, f"release reservation {name}", form, (wait, timeout, output))


def _propose(context: typer.Context, summary: str, change: Row, how: tuple[bool, int, Output]) -> None:
    """As one's own, and tell what becomes of it: whether that is waited for, how long, and written how."""
    from console.cli.asking import open_case
    from console.door.commands import Propose

    with as_written():
        command = Propose.model_validate({"summary": summary, "changes": [change]})
    open_case(context, command, *how)
    raise typer.Exit(0)


_NEEDS = ("share", "profile", "limit_watts", "millicores", "host_mebibytes", "locality", "rails", "rail_speed")


def _needed(written: Iterable[str]) -> dict[str, str]:
    """What each replica needs of one node, each as `name=value`."""
    found = dict(w.partition("=")[::2] for w in written)
    for name, value in found.items():
        if name not in _NEEDS or not value:
            raise typer.BadParameter(
                f"`{name}={value}`: write one of {', '.join(_NEEDS)} with its value, as `share=300`"
            )
    return found


def _told(found: Row) -> None:
    """An offer for people."""
    from console.cli.rendering import emit, note

    note(f"{found['grade']}{_cost(found['micro_usd_per_hour'])}")
    if places := rows(found["places"]):
        names = dict.fromkeys(name for place in places for name in place)
        emit([{"stage": "", **place} for place in places], Output.TABLE, tuple(names))
    _brought(found)
    for why in listed(found["because"]):
        note(f"because: {why}" if found["grade"] == "best-effort" else f"needed and not found: {why}")
    for counter in rows(found["counters"]):
        when = f" ({counter['when']})" if counter.get("when") else ""
        note(f"instead: {counter['instead']}{when}{_cost(counter['micro_usd_per_hour'])}")
        emit([*rows(counter["places"])], Output.TABLE)
    if isinstance(refusal := found["refusal"], dict):
        _obstacles(refusal)


def _brought(found: Row) -> None:
    """What must be brought first, and when it would be done."""
    from console.cli.rendering import emit, note

    if deliveries := rows(found.get("deliveries")):
        emit([*deliveries], Output.TABLE)
    for word, at in (("begins", found.get("begins")), ("done by", found.get("done"))):
        if at:
            note(f"{word} {at}")


def _cost(value: Json) -> str:
    return f" at {int(value) / 1e6:.2f} US dollars an hour" if isinstance(value, int) else ""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (why, place, offer, release):
        app.command()(command)
