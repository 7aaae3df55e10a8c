"""The law report: what runs where, under which facts, what of it is unlawful, and what would become so when facts end.

For people: it asks about every workload. It holds no rule; `reviewing` asks Cedar and the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from estate.ids import ClusterId, Country, DatasetId, Digest, SiteId, TenantId, WorkloadId
from estate.law import Facts, Grant
from estate.records import Model, Time
from estate.snapshots import Snapshot, SnapshotVersion
from estate.verdicts import Dimension, Failure
from estate.workloads import Workload
from policies import lineages, sovereignty
from policies.bundle import Bundle
from policies.reviewing import review


class Standing(Model):
    """One workload where it runs."""

    workload: WorkloadId
    tenant: TenantId
    cluster: ClusterId
    site: SiteId | None
    geographic: tuple[Country, ...]
    """Where its bytes rest; the next two: who can compel those who hold it, and who can act on it."""
    legal: tuple[Country, ...]
    operational: tuple[Country, ...]
    datasets: tuple[DatasetId, ...]
    """What it uses, and what that was made of."""
    failures: tuple[Failure, ...] = ()


class Expiry(Model):
    """A fact that ends."""

    fact: str
    """Its path in the facts file."""
    until: Time
    unlawful_then: tuple[WorkloadId, ...] = ()
    """What is lawful now and would not be without it."""


class LawReport(Model):
    """What the law says of everything that runs."""

    at: Time
    snapshot: SnapshotVersion
    facts_version: int
    facts: Digest
    bundle: Digest
    running: tuple[Standing, ...]
    expiring: tuple[Expiry, ...]
    """Those that end within the horizon, soonest first."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Of what, by which law, when, and how far ahead."""

    snapshot: Snapshot
    bundle: Bundle
    now: datetime
    within: timedelta = timedelta(days=90)


def report(asking: Asking) -> LawReport:
    """The report on everything that has a replica placed. A scan."""
    snapshot, facts = asking.snapshot, asking.snapshot.facts
    placed = {w.id: w for w in snapshot.workloads() if w.bindings}
    reviews = {r.workload: r for r in review(snapshot, asking.bundle, asking.now, placed)}
    lawful = {name for name, r in reviews.items() if r.lawful}
    return LawReport(
        at=asking.now,
        snapshot=snapshot.version,
        facts_version=facts.version,
        facts=Digest(facts.facts_digest),
        bundle=asking.bundle.digest,
        running=tuple(_standing(facts, w, reviews[name].failures) for name, w in placed.items()),
        expiring=tuple(sorted(_expiring(asking, lawful), key=lambda e: (e.until, e.fact))),
    )


def _standing(facts: Facts, workload: Workload, failures: tuple[Failure, ...]) -> Standing:
    axes = {a.dimension: tuple(sorted(a.found)) for a in sovereignty.exposure(facts, workload, workload.cluster)}
    cluster = facts.cluster.get(workload.cluster)
    return Standing(
        workload=workload.id,
        tenant=workload.tenant,
        cluster=workload.cluster,
        site=cluster.site if cluster is not None else None,
        geographic=axes[Dimension.GEOGRAPHIC],
        legal=axes[Dimension.LEGAL],
        operational=axes[Dimension.OPERATIONAL],
        datasets=tuple(sorted(lineages.bound_by(facts, workload.datasets))),
        failures=failures,
    )


def _expiring(asking: Asking, lawful: set[WorkloadId]) -> Iterator[Expiry]:
    facts = asking.snapshot.facts
    if _soon(asking, facts.valid_until):
        yield Expiry(fact="valid_until", until=facts.valid_until, unlawful_then=tuple(sorted(lawful)))
    for number, grant in enumerate(facts.grants):
        if _soon(asking, grant.valid_until):
            then = tuple(sorted(_borrowers(asking, grant) & lawful))
            unlawful = tuple(name for name in then if _falls(asking, name, grant.valid_until))
            yield Expiry(fact=f"grants.{number}", until=grant.valid_until, unlawful_then=unlawful)
    for dataset in facts.datasets:
        for number, transfer in enumerate(dataset.transfers):
            if _soon(asking, transfer.valid_until):
                yield Expiry(fact=f"datasets.{dataset.id}.transfers.{number}", until=transfer.valid_until)
    for cluster in facts.clusters:
        for number, certificate in enumerate(cluster.certificates):
            if _soon(asking, certificate.valid_until):
                yield Expiry(fact=f"clusters.{cluster.id}.certificates.{number}", until=certificate.valid_until)


def _soon(asking: Asking, until: datetime) -> bool:
    return asking.now <= until <= asking.now + asking.within


def _borrowers(asking: Asking, grant: Grant) -> set[WorkloadId]:
    facts = asking.snapshot.facts
    mine = (w for w in asking.snapshot.workloads() if w.tenant == grant.to and w.datasets)
    return {w.id for w in mine if grant.dataset in lineages.bound_by(facts, w.datasets)}


def _falls(asking: Asking, name: WorkloadId, at: datetime) -> bool:
    """Whether the end of this fact alone makes it unlawful: that the whole law base has ended by then is told apart."""
    (found,) = review(asking.snapshot, asking.bundle, at, (name,))
    return any(f.policy == "tenant-data" for f in found.failures)
