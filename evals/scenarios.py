"""The scenario file: an estate, what happens in it, the answer key, and the oracle."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from estate.changes import Change
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import ChannelId, InstallationId, NodeId
from estate.law import Facts
from estate.progress import Stage
from estate.records import Model, Record, explain
from estate.snapshots import SnapshotVersion
from estate.workloads import Workload
from estate.worlds import World
from evals.oracles import Check
from tools.generation.estates import Generated, generate
from tools.generation.layouts import Odds
from tools.generation.plans import Plan
from tools.generation.sizes import Size

ROOT = Path(__file__).parent / "scenarios"
_UNTIL = datetime(2099, 1, 1, tzinfo=UTC)


class Send(Model):
    """A sender posts this file to the HTTP door."""

    do: Literal["send"] = "send"
    channel: ChannelId
    format: Literal["cloudevents", "alertmanager", "nvsentinel", "kernel"]
    body: str


class Ask(Model):
    """A person asks in words; the answer may be a forbid."""

    do: Literal["ask"] = "ask"
    person: str
    text: str


class Propose(Model):
    """A person proposes changes."""

    do: Literal["propose"] = "propose"
    person: str
    summary: str
    changes: tuple[Change, ...]


class Approve(Model):
    """A person approves whatever the newest case asks for, once it asks."""

    do: Literal["approve"] = "approve"
    person: str


class DeviceFails(Model):
    """The world: an accelerator is lost."""

    do: Literal["device-fails"] = "device-fails"
    node: NodeId
    index: int


class WorkloadStarts(Model):
    """The world: somebody else's workload starts when the case reaches a stage (or at once)."""

    do: Literal["workload-starts"] = "workload-starts"
    workload: Workload
    at: Stage | None = None


class WriteFails(Model):
    """The world: writes of one kind of change on a thing fail so many times."""

    do: Literal["write-fails"] = "write-fails"
    about: str
    change: str
    times: int = 1


class Settle(Model):
    """Wait until the newest case has ended."""

    do: Literal["settle"] = "settle"


type Beat = Annotated[
    Send | Ask | Propose | Approve | DeviceFails | WorkloadStarts | WriteFails | Settle, Field(discriminator="do")
]


class MadeUp(Model):
    """The estate is a generated one: `placet estate generate` shows it."""

    sites: int
    racks: int
    tenants: int
    busy: int
    seed: int

    def made(self) -> Generated:
        """The estate. Raises BadInput."""
        return generate(Size(self.sites, self.racks, self.seed, _UNTIL, self.tenants, Odds(self.busy)))


class Planned(Model):
    """The estate is generated around a plan: `placet estate generate --plan` shows it."""

    file: str
    """Beside the scenario's."""
    seed: int

    def made(self, folder: Path) -> Generated:
        """The estate. Raises BadInput."""
        return generate(_read(folder / self.file, Plan).layout(self.seed, _UNTIL))


class Scenario(Record):
    """One scenario, as its folder's `scenario.yaml` says it."""

    kind: Literal["placet.scenario"] = "placet.scenario"
    v: Literal[1] = 1
    name: str
    summary: str
    planned: Planned | None = None
    """Or else:"""
    made_up: MadeUp | None = None
    script: tuple[Beat, ...] = Field(min_length=1)
    gold: tuple[Change, ...]
    """The changes that, applied by hand, are the right fix."""
    wrong: tuple[tuple[Change, ...], ...] = Field(min_length=1)
    """Fixes that look plausible and must score 0."""
    oracle: tuple[Check, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_one_estate(self) -> Self:
        if bool(self.planned) == bool(self.made_up):
            raise ValueError("the estate: say `planned` or `made_up`, not both")
        return self


class Loaded(Model):
    """A scenario with its estate, and the folder its file names are relative to."""

    folder: Path
    scenario: Scenario
    facts: Facts
    world: World

    def start(self) -> FrozenEstate:
        """The estate before anything happens."""
        version = SnapshotVersion(installation=InstallationId("eval"), epoch=0, sequence=0)
        return FrozenEstate.of(version, self.facts, self.world.nodes, self.world.workloads)

    def happened(self) -> FrozenEstate:
        """The estate after what the world does by itself, and nothing that anybody does about it."""
        estate = self.start()
        for beat in self.scenario.script:
            estate = _happen(estate, beat)
        return estate


def load(folder: Path) -> Loaded:
    """Read a scenario folder.

    Raises:
        BadInput: a file is missing or does not fit; the message names file, field and value.
    """
    scenario = _read(folder / "scenario.yaml", Scenario)
    estate = scenario.planned.made(folder) if scenario.planned else scenario.made_up and scenario.made_up.made()
    assert estate, "a scenario has one estate"
    return Loaded(folder=folder, scenario=scenario, facts=estate.facts, world=estate.world)


def shipped() -> tuple[Path, ...]:
    """The scenario folders that Placet ships."""
    return tuple(sorted(p.parent for p in ROOT.glob("*/scenario.yaml")))


def _read[R: Record](path: Path, cls: type[R]) -> R:
    try:
        return TypeAdapter(cls).validate_python(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: cannot be read: {error}; correct the file") from error
    except ValidationError as error:
        raise BadInput(f"{path}: {explain(error)}") from error


def _happen(estate: FrozenEstate, beat: Beat) -> FrozenEstate:
    match beat:
        case DeviceFails():
            node = estate.node(beat.node)
            if node is None:
                raise BadInput(f"device-fails: node `{beat.node}` is not in the world file")
            devices = tuple(
                a.model_copy(update={"health": Health.FAILED}) if a.index == beat.index else a
                for a in node.accelerators
            )
            return estate.with_node(node.model_copy(update={"accelerators": devices}))
        case WorkloadStarts():
            return estate.with_workload(beat.workload)
        case _:
            return estate
