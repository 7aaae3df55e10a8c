"""`placet estate generate|check`: estates made up from a size or a plan, and estate files held against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import run

if TYPE_CHECKING:
    from datetime import datetime

    from estate.law import Facts
    from estate.records import Record
    from tools.generation.estates import Generated
    from tools.generation.layouts import Layout
    from tools.generation.sizes import Size

app = typer.Typer(no_args_is_help=True)
_USUAL = {"sites": 3, "racks": 40, "tenants": 8, "busy": 600}
"""What is made up where nobody says otherwise."""


@app.command()
def generate(  # noqa: PLR0913, PLR0917 - options of a command
    sites: Annotated[int | None, typer.Option(help="How many sites, each with a cluster of its own: 3.")] = None,
    racks: Annotated[int | None, typer.Option(help="How many racks a site: 40.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another estate of that size, or of that plan.")] = 7,
    tenants: Annotated[int | None, typer.Option(help="How many tenants: 8.")] = None,
    busy: Annotated[int | None, typer.Option(help="How many of a thousand machines work: 600.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A file of what is fixed, instead of these numbers.")] = None,
    out: Annotated[Path, typer.Option(help="The folder to write facts, world and estate files into.")] = Path("estate"),
    kubeconfig: Annotated[Path | None, typer.Option(help="Put one cluster's part into this empty cluster too.")] = None,
    named: Annotated[str | None, typer.Option("--context", help="A context of it; else its current one.")] = None,
    cluster: Annotated[str, typer.Option(help="Whose part, by its id in the facts; else the first one's.")] = "",
) -> None:
    """Make up a plausible estate: law, tenants, machines of several vendors, work, power, cooling, fabrics, prices.

    The same options make the same estate. A plan (`placet schema plan`, console/demo/plan.yaml) fixes
    law, racks and work by name, and the rest is made up around it. It is nobody's: nobody has signed the facts. With a
    kubeconfig, nodes, namespaces and Deployments of one cluster are created as real objects; a cluster that holds
    anything which an earlier run did not put there is refused. Kubelets are not made up: let kwok play them.

    Example: `placet estate generate --sites 3 --racks 40 --seed 7 --out estate`
    """
    from datetime import UTC, datetime

    from console.cli.rendering import note
    from tools.generation.estates import generate as made

    until = datetime(datetime.now(UTC).year + 1, 12, 31, tzinfo=UTC)
    asked = {"sites": sites, "racks": racks, "tenants": tenants, "busy": busy}
    given = {name: value for name, value in asked.items() if value is not None}
    estate = made(_size(given, seed, until) if plan is None else _layout(plan, given, seed, until))
    texts = _texts(estate)
    if kubeconfig is not None:
        law = run(lambda: _populated(estate, kubeconfig.expanduser(), named, cluster))
        texts["facts"] = _text("facts", law)
    for file in _write(texts, out):
        note(f"wrote {file}")
    facts, world, declared = (out / f"{name}.yaml" for name in ("facts", "world", "estate"))
    note(f"next: `placet init --facts {facts} --world {world}`, and {declared} under `estate` in placet.yaml")


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Estate files, or folders of them.")],
    facts: Annotated[Path | None, typer.Option(help="A facts file that they refer to.")] = None,
) -> None:
    """Read estate files as one estate: every fault with file, line and remedy. Exits 2 if there is one.

    Example: `placet estate check estate/ --facts facts.yaml`
    """
    from console.cli.rendering import note
    from tools.inventory import declarations
    from tools.inventory.files import load_facts

    found = declarations.load(files, load_facts(facts) if facts is not None else None)
    note(f"{len(found)} items, each defined once and naming only what is there")


def _size(given: dict[str, int], seed: int, until: datetime) -> Size:
    from tools.generation.layouts import Odds
    from tools.generation.sizes import Size

    wanted = _USUAL | given
    odds = Odds(wanted.pop("busy"))
    return Size(**wanted, seed=seed, valid_until=until, odds=odds)


def _layout(file: Path, given: dict[str, int], seed: int, until: datetime) -> Layout:
    from estate.errors import BadInput
    from tools.generation.plans import Plan
    from tools.inventory import files

    if given:
        raise BadInput(f"--{next(iter(given))} and --plan: a plan says how much there is; leave one of them out")
    return files.parse(Plan, files.read(file), str(file)).layout(seed, until)


async def _populated(estate: Generated, kubeconfig: Path, named: str | None, cluster: str) -> Facts:
    """Put that cluster's part into it; the facts that know it by its uid."""
    from estate.errors import BadInput
    from estate.ids import ClusterId
    from tools.controlplane import clients, marking, populating

    name = ClusterId(cluster) if cluster else estate.facts.clusters[0].id
    if name not in estate.facts.cluster:
        raise BadInput(f"--cluster: `{cluster}` is none of {', '.join(f'`{c}`' for c in estate.facts.cluster)}")
    async with await clients.connect(kubeconfig, named) as api:
        await marking.claim(api, estate.world, name)
        await populating.populate(api, estate.world, name)
        return estate.facts_of(name, await populating.cluster_uid(api))


def _texts(estate: Generated) -> dict[str, str]:
    """The files by their names, as they would be written. Raises BadInput for what could not be read back."""
    records = {"facts": estate.facts, "world": estate.world, "estate": estate.file()}
    return {name: _text(name, record) for name, record in records.items()}


def _text(name: str, record: Record) -> str:
    from estate.errors import BadInput
    from tools.inventory.documents import LARGEST_FILE
    from tools.inventory.writing import text

    written = text(record, f"./{name}.schema.json")
    if (size := len(written.encode())) > LARGEST_FILE:
        raise BadInput(
            f"{name}.yaml: {size} bytes would be more than the {LARGEST_FILE} a file may have; use fewer racks"
        )
    return written


def _write(texts: dict[str, str], out: Path) -> list[Path]:
    from estate.errors import BadInput

    written = {out / f"{name}.yaml": content for name, content in texts.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in {**written, **_schemas(out)}.items():
            path.write_text(content)
    except OSError as error:
        raise BadInput(f"{out}: cannot be written ({error.strerror}); name another folder in --out") from error
    return list(written)


def _schemas(out: Path) -> dict[Path, str]:
    """What editors complete by."""
    import json

    from tools.inventory.files import schema

    return {out / f"{n}.schema.json": json.dumps(schema(n), indent=1) for n in ("facts", "world", "estate")}
