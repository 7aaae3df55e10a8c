"""Whose things a text tells of, and whether its reader may see them. Pure; the law is asked by the request made here.

Called where evidence leaves: `context` for what stands in a proposal, the front door for incidents, and the tools of a
model for their answers, each beside the code that cuts out what is others' (`own_part` here, `console.door.projecting`,
`agents.minds.reaching`). The kernel does not use this. Known are the names of tenants, workloads and datasets: what is
told of somebody without naming anything of theirs is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from estate.errors import Denied
from estate.ids import DatasetId, TenantId, WorkloadId
from estate.proposals import Evidence
from estate.snapshots import Snapshot
from policies.asks import Ask, Context, names

if TYPE_CHECKING:
    from policies.bundle import Bundle

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.\-]{0,126}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who is about to read something, and whose things they may see."""

    name: str
    kind: str
    """`human`, `agent` or `model`."""
    sees: frozenset[TenantId] = frozenset()
    everything: bool = False


def tells_of(texts: Iterable[str], snapshot: Snapshot) -> frozenset[TenantId]:
    """The tenants who are named in these texts, or by their work or data."""
    facts, found = snapshot.facts, set[TenantId]()
    for name in {n for text in texts for n in _NAME.findall(text)}:
        if name in facts.tenant:
            found.add(TenantId(name))
        if (workload := snapshot.workload(WorkloadId(name))) is not None:
            found.add(workload.tenant)
        if (dataset := facts.dataset.get(DatasetId(name))) is not None:
            found.add(dataset.tenant)
    return frozenset(found)


def own_part(found: Iterable[Evidence], snapshot: Snapshot, tenants: Iterable[TenantId]) -> tuple[Evidence, ...]:
    """The evidence that tells of no other tenant than these; all of it where it is for nobody in particular."""
    mine = frozenset(tenants)
    return tuple(e for e in found if not mine or tells_of((e.source, e.claim), snapshot) <= mine)


def reading_ask(reader: Reader, tells: Iterable[TenantId]) -> Ask:
    """The request whether that reader may read what tells of these tenants."""
    context: Context = {
        "kind": reader.kind,
        "everything": reader.everything,
        "sees": names(reader.sees),
        "tells": names(tells),
    }
    return Ask("ReadEvidence", "Evidence", reader.name, context)


@cache
def _law() -> Bundle:
    """The shipped rules, read where evidence first leaves. Tier 0 is the same under every profile."""
    from policies.bundle import Bundle

    return Bundle.load()


def check(reader: Reader, tells: Iterable[TenantId]) -> None:
    """Refuse what the law does not let them read.

    Raises:
        Denied: with the rule's reason, and nobody's name.
    """
    (answer,) = _law().ask([reading_ask(reader, tells).request(reader.name)])
    if not answer.allowed or answer.errors:
        why = "; ".join(r.reason for r in answer.rules if r.forbids) or "no rule permits it"
        raise Denied(f"`{reader.name}` may not read this: {why}")
