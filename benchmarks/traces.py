"""Traces of a public cluster read from files: nodes, pods, and published results. For the placement benchmarks."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from estate.records import Model
from tools.placement.packing.demands import Request
from tools.placement.packing.fleets import Fleet

type Whole = Annotated[int, Field(ge=0, le=10**9)]
type Time = Annotated[int | None, BeforeValidator(lambda text: text or None)]


class Row(Model):
    """A line of a file: other columns than ours are let be."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NodeRow(Row):
    """A node as its file tells of it."""

    sn: str
    cpu_milli: Whole
    memory_mib: Whole
    gpu: Annotated[int, Field(ge=0, le=64)]
    model: str


class PodRow(Row):
    """A pod as its file tells of it; `gpu_spec`: the models it may use, or any."""

    name: str
    cpu_milli: Whole
    memory_mib: Whole
    num_gpu: Annotated[int, Field(ge=0, le=64)]
    gpu_milli: Annotated[int, BeforeValidator(lambda text: text or 0), Field(ge=0, le=1000)]
    gpu_spec: str = ""
    creation_time: Time = None
    deletion_time: Time = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A fleet and what asked for it, by name."""

    fleet: Fleet
    models: tuple[str, ...]
    """Of each kind."""
    pods: tuple[PodRow, ...]
    requests: tuple[Request, ...]
    """Of each pod."""

    @property
    def milli(self) -> int:
        """All its devices, in milli-GPU."""
        return 1000 * int(self.fleet.devices.sum())


def trace(nodes: Path, pods: Path) -> Trace:
    """The trace of two files, both in the order of their names."""
    machines = sorted(rows(nodes, NodeRow), key=lambda node: node.sn)
    if not machines:
        sys.exit(f"`{nodes}` names no node: give a file with at least one")
    asked = tuple(sorted(rows(pods, PodRow), key=lambda pod: pod.name))
    if not asked:
        sys.exit(f"`{pods}` names no pod: give a file with at least one")
    shapes = [(n.model, n.cpu_milli, n.memory_mib, n.gpu) for n in machines]
    kinds = {shape: number for number, shape in enumerate(dict.fromkeys(shapes))}
    models = tuple(shape[0] for shape in kinds)
    fleet = Fleet(
        kind=np.array([kinds[shape] for shape in shapes]),
        cpu_milli=np.array([n.cpu_milli for n in machines]),
        memory_mebibytes=np.array([n.memory_mib for n in machines]),
        devices=np.array([n.gpu for n in machines]),
    )
    return Trace(fleet, models, asked, tuple(_request(pod, models) for pod in asked))


def _request(pod: PodRow, models: Sequence[str]) -> Request:
    kinds = None
    if pod.gpu_spec and pod.num_gpu:
        wanted = set(pod.gpu_spec.split("|"))
        if unknown := wanted - set(models):
            said = f"pod `{pod.name}`: `gpu_spec` names `{sorted(unknown)[0]}`, which no node has"
            sys.exit(f"{said}: correct one of the files")
        kinds = frozenset(kind for kind, model in enumerate(models) if model in wanted)
    try:
        return Request(pod.cpu_milli, pod.memory_mib, pod.num_gpu, pod.gpu_milli if pod.num_gpu else 0, kinds)
    except ValueError as error:
        sys.exit(f"pod `{pod.name}`: {error}")


def rows[R: Row](file: Path, row: type[R]) -> Iterator[R]:
    """The lines of a file as rows; leaves the program with file, line and field where one is not."""
    try:
        lines = list(csv.DictReader(file.read_text().splitlines()))
    except OSError as error:
        sys.exit(f"`{file}` cannot be read: {error.strerror}")
    for number, line in enumerate(lines, start=2):
        try:
            yield row.model_validate({key: text for key, text in line.items() if text is not None})
        except ValidationError as error:
            first = error.errors()[0]
            field = first["loc"][0] if first["loc"] else "line"
            sys.exit(f"`{file}` line {number}: `{field}` is `{line.get(str(field))}`: {first['msg'].lower()}")


class PublishedRow(Row):
    """A published mean over seeds."""

    metric: str
    trace: str
    policy: str
    arrived_load_percent: int
    mean: float
    sd: float


def published(file: Path, name: str) -> Mapping[str, Mapping[int, tuple[float, float]]]:
    """Mean and standard deviation of allocation by policy and load, for the trace of this name."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for row in rows(file, PublishedRow):
        if row.metric == "gpu_allocation_percent" and row.trace == name:
            found.setdefault(row.policy, {})[row.arrived_load_percent] = (row.mean, row.sd)
    return found
