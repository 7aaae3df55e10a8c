"""Items: the closed union of what the estate knows beside nodes, workloads and law.

To add a kind: write its model, a subclass of `itemkinds.ItemKind`, and name it in `Item` below. Files, schemas, deltas,
folding, neighbours and the references' checks take it from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, get_args

from pydantic import Field, TypeAdapter

from estate.fabrics.links import Fabric, Link, NvlinkDomain, Switch
from estate.fabrics.storage import Copy, Storage
from estate.facilities.cooling import Cdu, Loop
from estate.facilities.machines import Machine
from estate.facilities.parts import Part
from estate.facilities.places import RackSpace, Region, Row, SitePlan
from estate.facilities.power import Feed, Generator, Pdu, Substation, Transformer, Ups
from estate.itemkinds import ItemKind
from estate.references import Bond, Chain, Pointer, Ref
from estate.uses.clusters import ClusterState, HealthCheck, MachineGroup, Template, VirtualMachine
from estate.uses.offers import Offer, Price
from estate.uses.promises import Contract
from estate.uses.reservations import Reservation
from estate.uses.running import Component, ModelServer
from estate.uses.sources import SourceState

_Union = (
    Region
    | SitePlan
    | Row
    | RackSpace
    | Substation
    | Transformer
    | Ups
    | Generator
    | Feed
    | Pdu
    | Loop
    | Cdu
    | Machine
    | Part
    | Fabric
    | Switch
    | Link
    | NvlinkDomain
    | Storage
    | Copy
    | ClusterState
    | MachineGroup
    | HealthCheck
    | VirtualMachine
    | Template
    | Contract
    | ModelServer
    | Component
    | Price
    | Offer
    | Reservation
    | SourceState
)
type Item = Annotated[_Union, Field(discriminator="kind")]

adapter: TypeAdapter[Item] = TypeAdapter(Item)

KINDS: Mapping[str, type[ItemKind]] = {str(c.model_fields["kind"].default): c for c in get_args(_Union)}
"""Every kind by its word."""

__all__ = ["KINDS", "Bond", "Chain", "Item", "ItemKind", "Pointer", "Ref", "adapter"]
