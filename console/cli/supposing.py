"""`placet assurance` and `placet what-if`: what would come of losses and of other changes. Nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from console.cli.answers import EstateOption, Row, answer, document, fields, rows
from console.cli.invocations import Output, OutputOption, as_written

if TYPE_CHECKING:
    from estate.canonical import Json


def assurance(
    context: typer.Context,
    loss: Annotated[
        list[str] | None, typer.Option("--loss", help="node, rack, leaf, feed, site or provider; again for more. All.")
    ] = None,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell which promised workloads would have no second home after some single loss.

    Each node, rack, leaf switch, power feed, site and provider is lost in turn, and all promised work that stops with
    it looks for a lawful, powered home at once, beside everything that goes on running. Promised is what keeps replicas
    available by its contract, or has a contract in the estate. Exits with 1 if anything is without.

    Examples: `placet assurance` · `placet assurance --loss node --loss rack` · `placet assurance -o json`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import Assured

    with as_written():
        command = Assured.model_validate({"losses": loss or ()})
    found = fields(answer(context, command, estate))
    without = rows(found["without"])
    if output.tabular:
        if without:
            emit([*map(_unassured, without)], output, ("workload", "tenant", "replicas", "least", "lost", "lacks"))
        losses = ", ".join(f"{n} × {sort}" for sort, n in fields(found["losses"]).items())
        told = f"{found['assured']} of {found['promised']} promised workloads outlive each single loss"
        note(f"{told} ({losses})" if losses else told)
    else:
        emit(found, output)
    raise typer.Exit(1 if without else 0)


_HOMELESS = ("workload", "tenant", "promised", "replicas", "nearest")


def _unassured(row: Row) -> Row:
    gaps = rows(row["gaps"])
    lost, lacks = [str(g["lost"]) for g in gaps], sorted({str(g["lacks"]) for g in gaps})
    return row | {"lost": [*lost[:6], *([f"{len(lost) - 6} more"] if len(lost) > 6 else [])], "lacks": [*lacks]}


def what_if(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    lose: Annotated[
        list[str] | None, typer.Option(help="`node/N`, `rack/R`, `leaf/L`, `feed/F`, `site/S` or `provider/P` is lost.")
    ] = None,
    add: Annotated[list[str] | None, typer.Option(help="`4×eu-a1` or `4xeu-a1@rack`: nodes like one there is.")] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(help="`tenant=64`, or of a site or a model `tenant@eu-de/H100=64`: accelerators it may use."),
    ] = None,
    budget: Annotated[list[str] | None, typer.Option(help="`rack=20000`: watts that it may draw.")] = None,
    cap: Annotated[list[str] | None, typer.Option(help="`node=6000`: watts that it may draw.")] = None,
    repartition: Annotated[
        list[str] | None, typer.Option(help="`node=layout`: its accelerators are cut by a layout that facts state.")
    ] = None,
    facts: Annotated[Path | None, typer.Option(help="A facts file: another law.")] = None,
    move: Annotated[
        list[str] | None, typer.Option(help="`workload`, `workload=site/S` or `workload=rack/R`: all of it moves.")
    ] = None,
    grow: Annotated[list[str] | None, typer.Option(help="`workload=8`: so many replicas.")] = None,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what would be unlawful, unpowered or homeless, and what would run elsewhere, if something were so.

    Options may be given again and are supposed together: law and limits first, then what is added, what grows and
    moves, and what is lost. Nothing is written. Exits with 1 if anybody would be worse off.

    Examples: `placet what-if --lose rack/eu-a` · `placet what-if --lose feed/a --add 4xeu-b1` ·
    `placet what-if --facts new-facts.yaml` · `placet what-if --grow a-serve=6 -o json`
    """
    from console.door.commands import Supposed

    supposed = [
        *([{"kind": "set-facts", "facts": _facts(facts)}] if facts is not None else []),
        *(_quota(k, v) for k, v in _pairs(quota, "--quota")),
        *({"kind": "set-budget", "rack": k, "watts": v} for k, v in _pairs(budget, "--budget")),
        *({"kind": "set-cap", "node": k, "watts": v} for k, v in _pairs(cap, "--cap")),
        *map(_cut, repartition or ()),
        *map(_added, add or ()),
        *({"kind": "grow", "workload": k, "replicas": v} for k, v in _pairs(grow, "--grow")),
        *map(_moved, move or ()),
        *({"kind": "lose", "domain": d} for d in lose or ()),
    ]
    if not supposed:
        raise typer.BadParameter("suppose something: `--lose rack/eu-a`, `--grow a-serve=6`, …")
    with as_written():
        command = Supposed.model_validate({"supposed": supposed})
    _told(fields(answer(context, command, estate)), output)


def _told(found: Row, output: Output) -> NoReturn:
    """What would be otherwise, and with 1 if anybody would be worse off."""
    from console.cli.rendering import emit, note

    worse = any(found[part] for part in ("unlawful", "unpowered", "homeless", "over_quota"))
    worse |= not all(f["fits"] for f in rows(found.get("fits")))
    if output.tabular:
        for part in ("unlawful", "unpowered", "homeless", "over_quota", "fits", "moved"):
            if found.get(part):
                note(f"{part.replace('_', ' ')}:")
                emit(found[part], output, _HOMELESS if part == "homeless" else ())
        free = f"{found['free_accelerators']} accelerators would be free ({found['free_accelerators_now']} are now)"
        note(f"{found['stopped']} replicas would stop; {free}{'' if worse else '; nobody would be worse off'}")
    else:
        emit(found, output)
    raise typer.Exit(1 if worse else 0)


def _facts(file: Path) -> Json:
    from estate.errors import BadInput

    form = document(file)
    if not isinstance(form, dict):
        raise BadInput(f"--facts: `{file}` holds no facts; see `placet schema facts`")
    return form


def _pairs(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    from estate.errors import BadInput

    found = []
    for text in given or ():
        name, _, value = text.rpartition("=")
        if not name or not value.isdecimal():
            raise BadInput(f"{option}: `{text}` is not `name=number`; write it like `{option} name=8`")
        found.append((name, value))
    return found


def _quota(name: str, accelerators: str) -> Row:
    """`tenant`, `tenant@site`, `tenant@/model` or `tenant@site/model`."""
    tenant, _, scope = name.partition("@")
    site, _, model = scope.partition("/")
    return {
        "kind": "set-quota",
        "tenant": tenant,
        "accelerators": accelerators,
        "site": site or None,
        "model": model,
    }


def _added(text: str) -> Row:
    from estate.errors import BadInput

    count, _, rest = text.replace("×", "x").partition("x")
    like, _, rack = rest.partition("@")
    if not count.isdecimal() or not like:
        raise BadInput(f"--add: `{text}` is not `COUNTxNODE`; write it like `--add 4xeu-a1` or `--add 4xeu-a1@eu-b`")
    return {"kind": "add-nodes", "count": count, "like": like, "rack": rack or None}


def _cut(text: str) -> Row:
    from estate.errors import BadInput

    node, _, layout = text.partition("=")
    if not node or not layout:
        raise BadInput(f"--repartition: `{text}` is not `NODE=LAYOUT`; write it like `--repartition eu-a1=all-1g.10gb`")
    return {"kind": "repartition", "node": node, "layout": layout}


def _moved(text: str) -> Row:
    from estate.errors import BadInput

    name, found, goal = text.partition("=")
    kind, _, where = goal.partition("/")
    if found and (kind not in ("site", "rack") or not where):
        raise BadInput(f"--move: `{text}` names no site or rack; write it like `--move {name}=site/eu-de`")
    asked: Row = {"kind": "move", "workload": name}
    return asked | ({kind: where} if found else {})


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(assurance)
    app.command("what-if")(what_if)
