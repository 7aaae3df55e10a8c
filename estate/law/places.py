"""Sites and racks as the law knows them: whose they are, where bytes come to rest, which nodes a rack holds."""

from __future__ import annotations

from estate.ids import Country, EntityId, NodeId, RackId, SiteId
from estate.records import Model
from estate.units import Watts


class Site(Model):
    """A place with walls. Countries are where bytes of this site come to rest."""

    id: SiteId
    country: Country
    owner: EntityId
    replicas_in: tuple[Country, ...] = ()
    backups_in: tuple[Country, ...] = ()
    telemetry_in: tuple[Country, ...] = ()


class Rack(Model):
    """A rack, its power budget, and the nodes that stand in it by signed fact."""

    id: RackId
    site: SiteId
    power_budget_watts: Watts
    power_feed: str = "a"
    leaf_switch: str = ""
    nodes: tuple[NodeId, ...] = ()
