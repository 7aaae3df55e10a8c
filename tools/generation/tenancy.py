"""The tenants of a generated estate: organisations with divisions, teams and partners, and their data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from estate.ids import ClusterId, Country, DatasetId, EntityId, TenantId
from estate.law import (
    DataClass,
    Dataset,
    DataSort,
    DisruptionConsent,
    Facts,
    Isolation,
    LegalEntity,
    Namespace,
    Quota,
    Residency,
    Tenant,
    TenantLevel,
)
from estate.units import MilliGpu
from policies import sovereignty
from tools.generation.legal import EUROPE, Ground
from tools.generation.sizes import Size

_ATLANTIC = (*EUROPE, Country("CA"), Country("GB"), Country("US"))
_WORLD = (*_ATLANTIC, Country("JP"), Country("SG"))
_REACHES = (EUROPE, _ATLANTIC, _WORLD)
_FAMILY = 4
"""An organisation, a division of it, a team of that, and a partner."""
_LEVELS = (TenantLevel.ORGANISATION, TenantLevel.DIVISION, TenantLevel.TEAM, TenantLevel.PARTNER)
_ISOLATION = {2: Isolation.DEDICATED_NODE, 5: Isolation.DEDICATED_RACK}
"""By place among eight tenants; all others share nodes."""


def organisations(size: Size) -> Iterator[LegalEntity]:
    """The company of each family of tenants."""
    for number in range(-(-size.tenants // _FAMILY)):
        seat = _REACHES[number % len(_REACHES)][0]
        yield LegalEntity(id=_company(number), name=f"Organisation {number + 1}", seat=seat)


def tenants(size: Size, devices: int) -> Iterator[Tenant]:
    """Every tenant, without namespaces; all quotas together are somewhat more than the `devices` there are."""
    for number in range(size.tenants):
        family, place = divmod(number, _FAMILY)
        limits = _REACHES[family % len(_REACHES)]
        first = family * _FAMILY
        yield Tenant(
            id=_name(number),
            name=f"{_LEVELS[place].value} {number + 1}",
            entity=_company(family),
            residency=Residency(geographic=limits, legal=limits, operational=limits, key=limits),
            isolation=_ISOLATION.get(number % 8, Isolation.SHARED_NODE),
            apart_from=(_name(number - 1),) if place == 3 else (),
            disruption=DisruptionConsent.APPROVAL if number % 3 == 1 else DisruptionConsent.AUTOMATIC,
            parent=_name(first + place - 1) if place in (1, 2) else None,
            level=_LEVELS[place],
            quotas=(Quota(accelerators=MilliGpu(devices * 1200 // size.tenants)),),
        )


def datasets(size: Size) -> Iterator[Dataset]:
    """Each organisation has records, and weights that were trained on them."""
    for number in range(0, size.tenants, _FAMILY):
        limits = _REACHES[number // _FAMILY % len(_REACHES)]
        own, residency = _name(number), Residency(geographic=limits, legal=limits, operational=limits)
        records = DatasetId(f"{own}-records")
        yield Dataset(
            id=records,
            tenant=own,
            personal=True,
            residency=residency,
            sort=DataSort.DATASET,
            data_class=DataClass.RESTRICTED,
        )
        yield Dataset(
            id=DatasetId(f"{own}-weights"),
            tenant=own,
            personal=False,
            residency=residency,
            sort=DataSort.WEIGHTS,
            data_class=DataClass.CONFIDENTIAL,
            derived_from=(records,),
        )


def housed(facts: Facts, grounds: Sequence[Ground]) -> tuple[Tenant, ...]:
    """The tenants with a namespace in every cluster where they may be."""
    clusters = [g.cluster.id for g in grounds]
    return tuple(t.model_copy(update={"namespaces": _namespaces(facts, t, clusters)}) for t in facts.tenants)


def _namespaces(facts: Facts, tenant: Tenant, clusters: Sequence[ClusterId]) -> tuple[Namespace, ...]:
    lawful = (c for c in clusters if all(a.holds for a in sovereignty.exposure_of_tenant(facts, tenant.id, c)))
    return tuple(Namespace(cluster=c, name=tenant.id) for c in lawful)


def _name(number: int) -> TenantId:
    return TenantId(f"tenant-{number + 1:02}")


def _company(family: int) -> EntityId:
    return EntityId(f"organisation-{family + 1}")
