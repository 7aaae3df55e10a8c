"""What runs: model servers, and the agents, models and tools that act, each with its digest, owner and provenance."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import ComponentId, DatasetId, Digest, ModelServerId, TenantId, WorkloadId
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.records import Model, Time, later
from estate.references import Chain, Pointer


class Engine(StrEnum):
    """What serves a model."""

    VLLM = "vllm"
    TRITON = "triton"
    TGI = "tgi"
    SGLANG = "sglang"
    OTHER = "other"


class ModelServer(ItemKind):
    """One workload that serves a model."""

    kind: Literal["model-server"] = "model-server"
    id: ModelServerId
    workload: WorkloadId
    engine: Engine
    engine_version: str = Field(default="", max_length=64)
    model: DatasetId | None = None
    """The weights, as the law knows them."""
    model_name: str = Field(default="", max_length=253)
    """What its clients ask for."""
    context_tokens: int | None = Field(default=None, ge=1)
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.SOFTWARE
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("workload", "workload", Chain.USE),
        Pointer("model", "dataset"),
    )


class ComponentSort(StrEnum):
    """What acts."""

    AGENT = "agent"
    MODEL = "model"
    TOOL = "tool"


class Maker(Model):
    """An agent, a model or a tool that had a part in something, with the digest that it gives of itself."""

    sort: ComponentSort
    id: ComponentId
    content: Digest | None = None
    """None: it does not say, which only a model may: who asks one behind an endpoint cannot look inside."""

    def __str__(self) -> str:
        return f"{self.sort.value}/{self.id}"


class Provenance(Model):
    """Where something was built, from what, and who says so."""

    source: str = Field(default="", max_length=512)
    revision: str = Field(default="", max_length=128)
    builder: str = Field(default="", max_length=256)
    signer: str = Field(default="", max_length=256)
    """Whose signature over the digest was verified; empty: nobody's."""
    at: Time | None = None


class Component(ItemKind):
    """An agent, a model or a tool of a given digest."""

    kind: Literal["component"] = "component"
    id: ComponentId
    sort: ComponentSort
    name: str = Field(default="", max_length=253)
    content: Digest | None = None
    """Its digest. None: unknown, so that nobody can say what it is."""
    owner: TenantId | None = None
    provenance: Provenance | None = None
    runs_in: tuple[WorkloadId, ...] = ()
    uses: tuple[ComponentId, ...] = ()
    """The models and tools that an agent calls."""
    image: Digest | Literal[""] | None = later()
    """The image that it runs in, by whoever runs it; empty: of no digest. None: nobody told."""
    told_by: tuple[str, ...] = later((), max_length=1_000)
    """Who says that it runs: agents of ours (`tools.inventory.workers`), or clusters of their pods."""

    layer: ClassVar[Layer] = Layer.SOFTWARE
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("owner", "tenant"),
        Pointer("runs_in", "workload", Chain.USE),
        Pointer("uses", "component"),
    )
