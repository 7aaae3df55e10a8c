"""Masks in words: for each constraint how many nodes it refused, needed against found, and what would change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from estate.verdicts import Dimension
from policies import sovereignty
from tools.placement.columns import HEALTHS, Flags
from tools.placement.masks import AXES, Constraint, Masks, Room, Wish, largest_domain, models_on, suitable, tenants_on
from tools.placement.port import Reason

DIMENSIONS = {
    Constraint.TOGETHER: Dimension.CONTRACT,
    Constraint.SPREAD: Dimension.CONTRACT,
    Constraint.MODEL: Dimension.CONTRACT,
    Constraint.MEMORY: Dimension.CONTRACT,
    Constraint.POWER: Dimension.POWER,
    Constraint.ISOLATION: Dimension.TENANT,
    Constraint.NAMESPACE: Dimension.TENANT,
    Constraint.ATTACHED: Dimension.TENANT,
    Constraint.PLACED: Dimension.FACTS,
    **{constraint: dimension for dimension, constraint in AXES.items()},
}

type Words = tuple[str, str, str]
"""Needed, found, remedy."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The nodes that one constraint refused, in one state of a search."""

    wish: Wish
    refused: Flags
    room: Room


def explain(wish: Wish, masks: Masks, room: Room) -> tuple[Reason, ...]:
    """A reason for each constraint that refused a node; most nodes first, then the cheapest to relax.

    `room` is what was left when these masks were made.
    """
    order = list(Constraint)
    refusing = [(c, masks[c]) for c in order if c in masks and masks[c].any()]
    refusing.sort(key=lambda pair: (-int(pair[1].sum()), order.index(pair[0])))
    return tuple(_reason(Refused(wish, refused, room), constraint) for constraint, refused in refusing)


def _reason(by: Refused, constraint: Constraint) -> Reason:
    needed, found, remedy = _WORDS[constraint](by)
    return Reason(
        dimension=DIMENSIONS.get(constraint),
        constraint=constraint.value,
        nodes=int(by.refused.sum()),
        needed=needed,
        found=found,
        remedy=remedy,
    )


def some_nodes(wish: Wish, refused: Flags) -> str:
    """Up to three node names."""
    rows = np.flatnonzero(refused)
    names = ", ".join(wish.columns.ids[r] for r in rows[:3])
    return f"{names} and {len(rows) - 3} more" if len(rows) > 3 else names


def _avoid(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    return "a node that is not to be avoided", some_nodes(wish, refused), "leave it out of the nodes to avoid"


def _site(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    names = wish.columns.names.sites
    sites = {names[s] if s >= 0 else "no site" for s in wish.columns.site[refused]}
    return f"a node at {', '.join(wish.ask.sites)}", ", ".join(sorted(sites)), "allow another site"


def _cordon(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    return "an open node", f"cordoned: {some_nodes(wish, refused)}", "uncordon one once its symptom is gone"


def _taint(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    sets = (wish.columns.taints[t] for t in np.unique(wish.columns.taint[refused]))
    repelling = {t for taints in sets for t in taints if not wish.workload.tolerates(t)}
    found = f"tainted: {some_nodes(wish, refused)} ({', '.join(sorted(map(str, repelling)))})"
    return "a node whose taints it tolerates", found, "lift the taint once its symptom is gone, or tolerate it"


def _health(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    found = sorted(HEALTHS[h].value for h in np.unique(wish.columns.health[refused]))
    return "a healthy node", ", ".join(found), f"repair one of {some_nodes(wish, refused)}"


def _cluster(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    names = wish.columns.names.clusters
    found = sorted({names[c] for c in wish.columns.cluster[refused]})
    remedy = f"move all {wish.workload.replicas} replicas together to change the cluster"
    return f"cluster {wish.workload.cluster}", ", ".join(found), remedy


def _model(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    found = models_on(wish.columns, np.flatnonzero(refused))
    contract = wish.workload.contract
    accepted = " or ".join(contract.models or (f"an accelerator of {v.value}" for v in contract.vendors))
    return (
        f"{wish.needed} × {accepted or 'an accelerator of any model'}",
        ", ".join(found) or "no accelerators",
        "accept another model in the contract",
    )


def _memory(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    most = int(wish.columns.memory[refused].max(initial=0))
    needed = wish.workload.contract.memory_mebibytes
    return f"{needed} MiB on each accelerator", f"at most {max(most, 0)} MiB", "ask for less memory in the contract"


def _free(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    most = int(_usable(by)[refused].sum(axis=1).max(initial=0))
    needed = f"{wish.needed} free accelerators on one node"
    return needed, f"at most {most}", f"free {max(wish.needed - most, 1)} more on one node"


def _nvlink(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    most = int(largest_domain(wish.columns, _usable(by))[refused].max(initial=0))
    needed = f"{wish.needed} free accelerators in one NVLink domain"
    return needed, f"at most {most}", "accept the same node without one NVLink domain"


def _together(by: Refused) -> Words:
    over = by.wish.workload.contract.together
    assert over is not None
    seated = sorted({by.wish.columns.ids[r] for r in by.room.seated})
    found = f"others stand on {', '.join(seated[:3])}" if seated else f"in no {over.value} by signed fact"
    return f"all replicas in one {over.value}", found, f"accept replicas in more than one {over.value}"


def _spread(by: Refused) -> Words:
    over = by.wish.workload.contract.spread
    assert over is not None
    found = f"{len(by.room.seated)} of its replicas stand there" if by.room.seated else "no signed fact says which"
    return f"a {over.value} for each replica", found, f"accept two replicas in one {over.value}"


def _power(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    left = wish.columns.rack_budget[wish.columns.rack] - by.room.rack_drawn[wish.columns.rack]
    racks = sorted({wish.columns.names.racks[r] for r in wish.columns.rack[refused]})
    found = f"at most {int(left[refused].max())} W left in {', '.join(racks)}"
    return f"{wish.watts} W within the rack's budget", found, "free power in the rack, or raise its budget by a fact"


def _isolation(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    others = tenants_on(wish, np.flatnonzero(refused))
    found = f"work of {', '.join(others)}" if others else "another tenant in the same rack or cluster"
    return f"a place that `{wish.workload.tenant}` may share", found, "use a node without that tenant's work"


def _namespace(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    names = wish.columns.names.clusters
    clusters = ", ".join(sorted({names[c] for c in wish.columns.cluster[refused]}))
    space = wish.workload.namespace
    remedy = f"give `{space}` of that cluster to `{wish.workload.tenant}` in the signed facts"
    return f"namespace `{space}` of `{wish.workload.tenant}`", f"not theirs in {clusters}", remedy


def _attached(by: Refused) -> Words:
    remedy = f"name `{by.wish.workload.tenant}` among the tenants of those volumes and networks in the signed facts"
    found = f"others' or nobody's at {some_nodes(by.wish, by.refused)}"
    return "only storage and networks that signed facts let it be attached to", found, remedy


def _placed(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    remedy = "place it in a rack at its cluster's site by a signed fact"
    return "a rack and site by signed fact", f"none, or another site: {some_nodes(wish, refused)}", remedy


def _axis(dimension: Dimension) -> Callable[[Refused], Words]:
    position = sovereignty.AXES.index(dimension)

    def words(by: Refused) -> Words:
        wish, refused = by.wish, by.refused
        names = wish.columns.names.clusters
        allowed: frozenset[str] = frozenset()
        found = []
        for cluster in sorted({names[c] for c in wish.columns.cluster[refused]}):
            axis = sovereignty.exposure(wish.facts, wish.workload, cluster)[position]
            allowed = frozenset(axis.allowed)
            unknown = f"unknown: {', '.join(axis.unknown)}" if axis.unknown else ""
            found.append(f"{cluster}: {', '.join(sorted(axis.outside)) or unknown or 'nothing known'}")
        inside = ", ".join(sorted(allowed)) or "nowhere (no limit is known)"
        return f"only {inside} on the {dimension.value} axis", "; ".join(found), "use a cluster that is inside"

    return words


def _usable(by: Refused) -> Flags:
    of_model, of_memory = suitable(by.wish, None)
    return by.room.devices & of_model & of_memory


_WORDS: dict[Constraint, Callable[[Refused], Words]] = {
    Constraint.AVOID: _avoid,
    Constraint.SITE: _site,
    Constraint.CORDON: _cordon,
    Constraint.TAINT: _taint,
    Constraint.FREE: _free,
    Constraint.POWER: _power,
    Constraint.HEALTH: _health,
    Constraint.NVLINK: _nvlink,
    Constraint.TOGETHER: _together,
    Constraint.SPREAD: _spread,
    Constraint.MODEL: _model,
    Constraint.MEMORY: _memory,
    Constraint.CLUSTER: _cluster,
    Constraint.ISOLATION: _isolation,
    Constraint.NAMESPACE: _namespace,
    Constraint.ATTACHED: _attached,
    Constraint.PLACED: _placed,
    **{constraint: _axis(dimension) for dimension, constraint in AXES.items()},
}
