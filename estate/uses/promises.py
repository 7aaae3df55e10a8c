"""What workloads were promised and what was observed of it. Estate files write the promise, sensors the observation."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from estate.ids import ContractId, TenantId, WorkloadId
from estate.itemkinds import ItemKind
from estate.origins import Layer
from estate.records import Model, Time, doubled
from estate.references import Chain, Pointer
from estate.units import PerMille, Seconds
from estate.workloads import WorkloadContract


class Measure(StrEnum):
    """What is promised; the unit is the name's last word."""

    TTFT = "time-to-first-token-milliseconds"
    TPOT = "time-per-output-token-milliseconds"
    QUEUE_TIME = "queue-milliseconds"
    LATENCY = "latency-milliseconds"
    THROUGHPUT = "throughput-tokens-per-second"
    AVAILABILITY = "availability-per-mille"
    STEP_TIME = "step-milliseconds"
    """Of a training."""

    @property
    def least(self) -> bool:
        """Whether the bound is the least that must be reached; else it is the most that may be."""
        return self in (Measure.THROUGHPUT, Measure.AVAILABILITY)


class Objective(Model):
    """A bound that must hold for a share of a window; the rest is the error budget."""

    measure: Measure
    bound: int = Field(ge=0)
    holds: PerMille = PerMille(990)
    window: Seconds = Seconds(2_592_000)

    def kept_by(self, value: int) -> bool:
        """Whether an observed value keeps the bound."""
        return value >= self.bound if self.measure.least else value <= self.bound


class Service(Model):
    """What was observed of one measure over the window that ends at `at`."""

    measure: Measure
    value: int = Field(ge=0)
    budget_left: PerMille | None = None
    """Of the error budget."""
    at: Time


class Contract(ItemKind):
    """One workload's promise, beside what its cluster can express."""

    kind: Literal["contract"] = "contract"
    id: ContractId
    workload: WorkloadId
    tenant: TenantId | None = None
    promised: WorkloadContract | None = None
    objectives: tuple[Objective, ...] = Field(default=(), max_length=32)
    observed: tuple[Service, ...] = Field(default=(), max_length=32)
    valid_until: Time | None = None

    layer: ClassVar[Layer] = Layer.COMMERCE
    layers: ClassVar[dict[str, Layer]] = {"observed": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("workload", "workload", Chain.USE),
        Pointer("tenant", "tenant"),
    )

    @model_validator(mode="after")
    def _bounds_each_measure_once(self) -> Contract:
        if twice := doubled([o.measure.value for o in self.objectives]):
            raise ValueError(f"objectives: `{twice[0]}` is there twice; keep one")
        return self
