"""The law of a generated estate: who owns and runs each site and cluster, and which nodes stand in which rack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from estate.ids import Country, EntityId, SiteId, Uid
from estate.law import Certificate, Cluster, Compulsion, Control, Holding, KeyModel, LegalEntity, Rack, Reach, Site
from estate.records import Time
from estate.units import PerMille
from tools.generation.layouts import Planned
from tools.generation.sizes import Size, cluster_of

EUROPE = tuple(Country(c) for c in ("DE", "FI", "FR", "NL", "SE"))
_SITES_IN = tuple(Country(c) for c in ("DE", "US", "FR", "SE", "NL", "FI", "GB", "JP", "CA", "SG"))


@dataclass(frozen=True, slots=True)
class Ground:
    """A site and its cluster, with where and whose they are."""

    site: Site
    cluster: Cluster
    entities: tuple[LegalEntity, ...]

    @property
    def country(self) -> Country:
        """Where it stands."""
        return self.site.country


def grounds(size: Size) -> Iterator[Ground]:
    """Every site in turn. Each third in Europe belongs, in the end, to a company of the United States."""
    for number, name in enumerate(size.site_names()):
        country = _SITES_IN[number % len(_SITES_IN)]
        foreign = country in EUROPE and number % 3 == 2
        yield _ground(name, country, size.valid_until, foreign=foreign)


def _ground(name: SiteId, country: Country, until: Time, *, foreign: bool) -> Ground:
    operator = EntityId(f"{name}-operator")
    parents = (EntityId("global-cloud"),) if foreign else ()
    holdings = (
        Holding(holder=p, capital=PerMille(1000), votes=PerMille(1000), control=Control.MAJORITY) for p in parents
    )
    company = LegalEntity(
        id=operator,
        name=f"{name.upper()} Compute",
        seat=country,
        parents=parents,
        holdings=tuple(holdings),
        ultimate_parent=parents[0] if parents else None,
    )
    return Ground(_site(name, country, operator), _cluster(name, country, operator, until), (company,))


def _site(name: SiteId, country: Country, owner: EntityId) -> Site:
    here = (country,)
    return Site(id=name, country=country, owner=owner, replicas_in=here, backups_in=here, telemetry_in=here)


def _cluster(name: SiteId, country: Country, operator: EntityId, until: Time) -> Cluster:
    schemes = ("C5", "ISO 27001") if country in EUROPE else ("ISO 27001",)
    return Cluster(
        id=cluster_of(name),
        uid=Uid(f"uid-{cluster_of(name)}"),
        site=name,
        operator=operator,
        key_holder=operator,
        update_authority=operator,
        stop_authority=operator,
        admins_in=(country,),
        support_in=(country,),
        control_plane_in=(country,),
        key_model=KeyModel.HYOK if country in EUROPE else KeyModel.PROVIDER,
        certificates=tuple(Certificate(scheme=s, issuer="auditor", valid_until=until) for s in schemes),
    )


def parent_company() -> LegalEntity:
    """Who stands behind some of the operators."""
    law = Compulsion(country=Country("US"), statute="CLOUD Act", reaches=(Reach.DATA,))
    return LegalEntity(id=EntityId("global-cloud"), name="Global Cloud Inc.", seat=Country("US"), compulsions=(law,))


def rack(plan: Planned) -> Rack:
    """The rack as a fact, fed by A and B in turn, with its nodes."""
    return Rack(
        id=plan.id,
        site=plan.site,
        power_budget_watts=plan.budget_watts,
        power_feed=f"{plan.site}-feed-{'ab'[plan.number % 2]}",
        leaf_switch=f"{plan.id}-tor",
        nodes=plan.nodes,
    )
