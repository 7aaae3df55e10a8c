"""The assurance as a record: how much is assured, and what is not, by workload. Called by the door and the catalogue.

Whoever does not see everything is told of their own tenants alone, of losses by their sort, and of no thing by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime

from estate.ids import TenantId, WorkloadId
from estate.records import Model
from estate.references import Ref, WrittenRef
from estate.snapshots import Snapshot
from tools.placement.assurance.domains import WORDS
from tools.placement.assurance.keeping import Keeper
from tools.placement.assurance.promises import promised
from tools.placement.assurance.rehoming import Homeless
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.table import RULES

_WORD = {sort.value: word for word, sort in reversed([*WORDS.items()])}


class Gap(Model):
    """One loss after which a workload has no second home."""

    lost: str
    """`rack/eu-a`; to a tenant only `rack`."""
    replicas: int
    """Those that would find none."""
    left: int
    """Those that would go on running."""
    lacks: str


class Unassured(Model):
    """A promised workload without a second home after some single loss."""

    workload: WorkloadId
    tenant: TenantId
    replicas: int
    least: int
    """How many were promised to be running at any time."""
    gaps: tuple[Gap, ...]

    @property
    def below(self) -> bool:
        """Whether some loss would leave fewer running than promised."""
        return any(g.left < self.least for g in self.gaps)


class Assurance(Model):
    """What single losses would come to, as of one version of the estate."""

    snapshot: str
    losses: dict[str, int]
    """How many domains of each sort were lost, one at a time; empty for whoever may not know how large the fleet is."""
    promised: int
    """Workloads that were promised to run."""
    assured: int
    """Those of them that have a lawful, powered second home after each single loss."""
    without: tuple[Unassured, ...]


def report(
    keeper: Keeper, snapshot: Snapshot, now: datetime | None, sees: Collection[TenantId] | None = None
) -> Assurance:
    """Everything, or what people of the tenants `sees` may know."""
    found = keeper.all(snapshot, now)
    known = [w for w in snapshot.workloads() if w.bindings and (sees is None or w.tenant in sees)]
    owed = [w for w in known if promised(snapshot, w, now)]
    without = tuple(
        Unassured(
            workload=w.id,
            tenant=w.tenant,
            replicas=w.replicas,
            least=w.contract.min_available,
            gaps=tuple(_gaps(breaches.items(), open_book=sees is None)),
        )
        for w in owed
        if (breaches := keeper.breaches(w.id))
    )
    return Assurance(
        snapshot=str(snapshot.version),
        losses=dict(Counter(_WORD[a.domain.kind] for a in found)) if sees is None else {},
        promised=len(owed),
        assured=len(owed) - len(without),
        without=without,
    )


def written(domain: Ref) -> WrittenRef:
    """A domain by the word that people use."""
    return Ref(_WORD[domain.kind], domain.id)


def _gaps(breaches: Iterable[tuple[Ref, Homeless]], *, open_book: bool) -> Iterable[Gap]:
    for domain, lost in sorted(breaches, key=lambda pair: pair[0]):
        yield Gap(
            lost=str(written(domain)) if open_book else _WORD[domain.kind],
            replicas=len(lost.replicas),
            left=lost.left,
            lacks=lost.lacks.value if open_book else RULES[Constraint(lost.lacks)].plain,
        )
