"""The law report: what runs where, under which facts, what of it is unlawful, and what would become so when facts end.

For people: it asks about every workload. It holds no rule; `reviewing` asks Cedar and the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from estate.ids import ClusterId, Country, DatasetId, Digest, NodeId, SiteId, TenantId, WorkloadId
from estate.law import Facts
from estate.records import Model, Time
from estate.snapshots import Snapshot, SnapshotVersion
from estate.verdicts import Dimension, Failure
from estate.workloads import Workload
from policies import lineages, reaches, sovereignty
from policies.bundle import Bundle
from policies.reviewing import review

_ENDING: Final = frozenset({"tenant-data", "transfer-in-force"})
"""The rules that time alone may turn."""


class Standing(Model):
    """One workload where it runs."""

    workload: WorkloadId
    tenant: TenantId
    cluster: ClusterId
    site: SiteId | None
    nodes: tuple[NodeId, ...]
    geographic: tuple[Country, ...]
    """Where its bytes rest. Then who can compel those who hold it, act on it, or compel who holds its keys."""
    legal: tuple[Country, ...]
    operational: tuple[Country, ...]
    key: tuple[Country, ...]
    datasets: tuple[DatasetId, ...]
    """What it uses, and what that was made of."""
    under: tuple[str, ...]
    """The facts that say so, by their paths in the facts file."""
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
    author: str
    basis: str
    valid_until: Time
    bundle: Digest
    running: tuple[Standing, ...]
    expiring: tuple[Expiry, ...]
    """Those that end within the horizon, soonest first."""
    unregistered: tuple[str, ...] = ()
    """Agents, models and tools that run and that the facts do not register, each with the reason."""


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
        author=facts.author,
        basis=facts.basis,
        valid_until=facts.valid_until,
        bundle=asking.bundle.digest,
        running=tuple(_standing(facts, w, reviews[name].failures) for name, w in placed.items()),
        expiring=tuple(sorted(_expiring(asking, lawful), key=lambda e: (e.until, e.fact))),
        unregistered=tuple(f"{i.ref}: {why}" for i in snapshot.stock if (why := reaches.unknown(facts, i, asking.now))),
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
        key=axes[Dimension.KEY],
        nodes=tuple(sorted({b.node for b in workload.bindings})),
        under=tuple(_under(facts, workload)),
        datasets=tuple(sorted(lineages.bound_by(facts, workload.datasets))),
        failures=failures,
    )


def _expiring(asking: Asking, lawful: set[WorkloadId]) -> Iterator[Expiry]:
    facts = asking.snapshot.facts
    if _soon(asking, facts.valid_until):
        yield Expiry(fact="valid_until", until=facts.valid_until, unlawful_then=tuple(sorted(lawful)))
    for number, grant in enumerate(facts.grants):
        if _soon(asking, grant.valid_until):
            then = sorted(_users(asking, grant.dataset, grant.to) & lawful)
            unlawful = tuple(name for name in then if _falls(asking, name, grant.valid_until))
            yield Expiry(fact=f"grants.{number}", until=grant.valid_until, unlawful_then=unlawful)
    for dataset in facts.datasets:
        for number, transfer in enumerate(dataset.transfers):
            if _soon(asking, transfer.valid_until):
                then = sorted(_users(asking, dataset.id) & lawful)
                unlawful = tuple(name for name in then if _falls(asking, name, transfer.valid_until))
                fact = f"datasets.{dataset.id}.transfers.{number}"
                yield Expiry(fact=fact, until=transfer.valid_until, unlawful_then=unlawful)
    for cluster in facts.clusters:
        for number, certificate in enumerate(cluster.certificates):
            if _soon(asking, certificate.valid_until):
                yield Expiry(fact=f"clusters.{cluster.id}.certificates.{number}", until=certificate.valid_until)


def _soon(asking: Asking, until: datetime) -> bool:
    return asking.now <= until <= asking.now + asking.within


def _users(asking: Asking, dataset: DatasetId, tenant: TenantId | None = None) -> set[WorkloadId]:
    """Whoever (of that tenant) uses it, or what was made from it."""
    facts = asking.snapshot.facts
    some = (w for w in asking.snapshot.workloads() if tenant in (None, w.tenant) and w.datasets)
    return {w.id for w in some if dataset in lineages.bound_by(facts, w.datasets)}


def _falls(asking: Asking, name: WorkloadId, at: datetime) -> bool:
    """Whether the end of this fact alone makes it unlawful: that the whole law base has ended by then is told apart."""
    (found,) = review(asking.snapshot, asking.bundle, at, (name,))
    return any(f.policy in _ENDING for f in found.failures)


def _under(facts: Facts, workload: Workload) -> Iterator[str]:
    """The facts by which it stands where it does."""
    cluster = facts.cluster.get(workload.cluster)
    if workload.tenant in facts.tenant:
        yield f"tenants.{workload.tenant}"
    if cluster is not None:
        yield f"clusters.{cluster.id}"
        yield f"sites.{cluster.site}"
    racks = {facts.rack_of[b.node] for b in workload.bindings if b.node in facts.rack_of}
    yield from (f"racks.{rack}" for rack in sorted(racks))
    bound = lineages.bound_by(facts, workload.datasets)
    yield from (f"datasets.{d}" for d in sorted(bound & facts.dataset.keys()))
    for number, grant in enumerate(facts.grants):
        if grant.to == workload.tenant and grant.dataset in bound:
            yield f"grants.{number}"
