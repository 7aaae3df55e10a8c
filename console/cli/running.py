"""Making and running an installation: `init`, `run`, each process apart, and `demo`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli.invocations import as_written, given, run

PROCESSES = ("gate", "executor", "inventory", "agent", "console")

PortOption = Annotated[int | None, typer.Option(help="The HTTP door's port; 0 takes any free one.")]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Logs as JSON lines.")]


class Where(StrEnum):
    """Clusters that a demo can play on."""

    LOCAL = "local"


def init(
    context: typer.Context,
    installation: Annotated[str | None, typer.Option(help="Its id; drawn if not given.")] = None,
    administrator: Annotated[str, typer.Option(help="The first administrator.")] = "admin",
    facts: Annotated[Path | None, typer.Option(help="The law base to sign; without it a small sample estate.")] = None,
    world: Annotated[Path | None, typer.Option(help="What the twin starts with; likewise.")] = None,
    profile: Annotated[
        str, typer.Option(help="The numbers of the rules: a name of `placet policy profiles`, or a file.")
    ] = "house",
) -> None:
    """Make keys, the first administrator, signed facts and a world. Run it again to make what is missing.

    The administrator thereby signs the rules that come along, with each of their profiles, for a year: nothing is
    decided by rules that nobody signed. Whoever brings a profile of their own approves nothing that is decided by it.

    Example: `placet init --administrator dora --facts facts.yaml --world world.yaml`
    """
    from datetime import UTC, datetime

    from console.cli.rendering import note
    from console.initialising import Founding, found
    from estate.ids import InstallationId
    from tools.inventory.files import load_facts, load_world

    state = given(context).state()
    with as_written():
        founding = Founding(
            installation=InstallationId(installation) if installation else None,
            administrator=administrator,
            facts=load_facts(facts) if facts else None,
            world=load_world(world) if world else None,
            profile=str(Path(profile).absolute()) if Path(profile).suffix else profile,
        )
        founded = found(state, founding, datetime.now(UTC))
    for line in founded.made:
        note(f"made {line}")
    note(f"installation {founded.record.id} is ready in {state.root}; next: placet run")


def run_all(context: typer.Context, http_port: PortOption = None, json_logs: JsonLogs = False) -> None:
    """Keep the whole system up, on embedded defaults: NATS, inventory, agents, gate, executor, both doors.

    Example: `placet run --http-port 8090`
    """
    _serve(context, frozenset(PROCESSES), http_port, json_logs)


def demo(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Where events, ledger, keys and a summary go.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Keep the system up afterwards.")] = False,
    cluster: Annotated[
        Where | None, typer.Option(help="Play on real Kubernetes API servers, started here and gone afterwards.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Play on this cluster, which must be empty, and one started here.")
    ] = None,
    kube_context: Annotated[
        str | None, typer.Option("--context", help="A context of the kubeconfig; its current one if not given.")
    ] = None,
) -> None:
    """Play the three acts: an incident, a request, a proposal. No key, no cluster, no GPU; under a minute.

    By default the world is a twin. With `--cluster local` it is two real Kubernetes control planes on loopback, with
    Placet's roles and admission policies in them: what is claimed is then read from their API servers' own objects, and
    Placet reads and writes them with service accounts that may do no more. Their binaries are built where they are
    missing (once; `make controlplane`), or taken from the folder that KUBEBUILDER_ASSETS names.

    With `--kubeconfig FILE` the European site is a cluster that runs already. The demo makes nodes that only kwok can
    play, so it refuses a cluster with any node, pod or namespace beyond Kubernetes' own, and leaves it as it was.

    Example: `placet demo --out demo-out`, `placet demo --cluster local`
    """
    from console import logs
    from console.cli.rendering import data_console
    from console.demo import grounds
    from console.demo.run import play
    from estate.errors import BadInput
    from tools.kubernetes.connecting import Access

    if kubeconfig is not None and cluster is not None:
        raise BadInput("`--cluster` and `--kubeconfig` name two grounds; give one of them")
    if kube_context is not None and kubeconfig is None:
        raise BadInput("`--context` is one of a kubeconfig; name the file with `--kubeconfig`")
    logs.quiet()
    opened: grounds.Opened = grounds.local if cluster is Where.LOCAL else grounds.twin
    if kubeconfig is not None:
        opened = grounds.given(Access(kubeconfig, kube_context))
    raise typer.Exit(run(lambda: play(out, stay, data_console(), opened)))


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    app.command("run")(run_all)
    for name in PROCESSES:
        _register_process(app, name)
    app.command()(demo)


def _register_process(app: typer.Typer, name: str) -> None:
    def process(context: typer.Context, http_port: PortOption = None, json_logs: JsonLogs = False) -> None:
        _serve(context, frozenset({name}), http_port, json_logs)

    directory = "executor-twin" if name == "executor" else name
    process.__doc__ = f"""Run the {name} process alone, on a state directory that `placet issue` made for it.

    Example: `placet --state-dir roles/{directory} {name}`
    """
    app.command(name)(process)


def _serve(context: typer.Context, processes: frozenset[str], http_port: int | None, json_logs: bool) -> None:
    import logging

    from console import logs, serving

    invocation = given(context)
    logs.configure(logging.INFO, as_json=json_logs)
    settings = invocation.settings(**{"http.port": http_port})
    raise typer.Exit(run(lambda: serving.serve(invocation.state(), settings, processes)))
