"""Every sensor, by the name under which `placet.yaml` sets it. A new one is a module here and a line below.

A name is part of what is persisted and of each event's identity: it stays.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from estate.records import Model
from tools.sensors.assurance import Assurance
from tools.sensors.capacity import Capacity
from tools.sensors.conflicts import Conflicts
from tools.sensors.contracts import Contracts
from tools.sensors.cooling import Cooling
from tools.sensors.fences import Fences
from tools.sensors.lawfulness import Lawfulness
from tools.sensors.links import Links
from tools.sensors.placements import Placements
from tools.sensors.power import Power
from tools.sensors.promises import Promises
from tools.sensors.reservations import Reservations
from tools.sensors.sensing import Sensors
from tools.sensors.staleness import Staleness
from tools.sensors.stragglers import Stragglers


class Settings(Model):
    """The sensors with their thresholds."""

    power: Power = Power()
    contracts: Contracts = Contracts()
    capacity: Capacity = Capacity()
    links: Links = Links()
    cooling: Cooling = Cooling()
    staleness: Staleness = Staleness()
    conflicts: Conflicts = Conflicts()
    placements: Placements = Placements()
    stragglers: Stragglers = Stragglers()
    lawfulness: Lawfulness = Lawfulness()
    assurance: Assurance = Field(default_factory=Assurance)
    reservations: Reservations = Reservations()
    fences: Fences = Fences()
    promises: Promises = Field(default_factory=Promises)

    def sensors(self) -> Sensors:
        """All of them by name."""
        found: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        return found
