"""The files people write: `Facts` (signed; in `estate.law`), `World`, `EstateFile` and `ChangeFile`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from estate.changes import Change
from estate.hardware import Node
from estate.items import Item
from estate.records import Record, Time, doubled
from estate.workloads import Workload


class World(Record):
    """Nodes and workloads as they are observed at the start of a twin."""

    kind: Literal["placet.world"] = "placet.world"
    v: Literal[1] = 1
    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...] = ()

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> World:
        for field, ids in (
            ("nodes", [str(n.id) for n in self.nodes]),
            ("workloads", [str(w.id) for w in self.workloads]),
        ):
            if twice := doubled(ids):
                raise ValueError(f"{field}: `{twice[0]}` is there twice; keep one")
        return self


class EstateFile(Record):
    """Facilities, fabrics, hardware, promises and prices, as people declare them. An estate may have many of them."""

    kind: Literal["placet.estate"] = "placet.estate"
    v: Literal[1] = 1
    declared_at: Time | None = None
    """When this was so. None: the time of the file."""
    items: tuple[Item, ...]

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> EstateFile:
        if twice := doubled([str(i.ref) for i in self.items]):
            raise ValueError(f"items: `{twice[0]}` is there twice; keep one")
        return self


class ChangeFile(Record):
    """Changes that a person wrote, in order, for `placet propose -f`."""

    kind: Literal["placet.change-file"] = "placet.change-file"
    v: Literal[1] = 1
    summary: str = Field(min_length=1, max_length=2000)
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)
