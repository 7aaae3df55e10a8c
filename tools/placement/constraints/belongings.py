"""Belongings: storage and networks that signed facts let the tenant be attached to, on a cluster and on a machine."""

from __future__ import annotations

import numpy as np

from estate.snapshots import Snapshot
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies import attaching
from tools.placement.attempts import Attempt
from tools.placement.columns import Flags
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, chosen, some_nodes
from tools.placement.wishes import Wish


def concerns(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether it is attached to something, or machines are on networks that are not its tenant's."""
    facts, own = snapshot.facts, workload.tenant
    return bool(workload.attachments) or any(n.nodes and not n.admits(own) for n in facts.networks)


def enduring(wish: Wish) -> Masks:
    """Where it would reach a volume, or join a network, that is not its tenant's."""
    c, facts, workload = wish.columns, wish.facts, wish.workload
    there = [workload.model_copy(update={"cluster": n}) for n in c.names.clusters] if workload.attachments else []
    strange = [attaching.foreign(facts, w, ()) != attaching.NOTHING for w in there]
    found: Flags = np.array(strange, dtype=np.bool_)[c.cluster] if strange else np.zeros(len(c.ids), dtype=np.bool_)
    others = (n for n, joined in facts.networks_on.items() if not all(j.admits(workload.tenant) for j in joined))
    found[[row for n in others if (row := c.rows.get(n)) is not None]] = True
    return {Constraint.ATTACHED: found}


def _words(by: Refused) -> Words:
    remedy = f"name `{by.wish.workload.tenant}` among the tenants of those volumes and networks in the signed facts"
    found = f"others' or nobody's at {some_nodes(by.wish, by.refused)}"
    return "only storage and networks that signed facts let it be attached to", found, remedy


def _relaxed(wish: Wish, attempt: Attempt) -> str:
    named = f"name `{wish.workload.tenant}` among the tenants of its volumes and networks there in the signed facts"
    return f"{named}; {chosen(wish, attempt)} would do"


RULES = (
    Rule(
        Constraint.ATTACHED,
        _words,
        _relaxed,
        "a place where its storage and networks are yours",
        Dimension.TENANT,
    ),
)
