"""Marks on nodes and limits of the ask: where it may not look, cordons, taints, health, its own cluster."""

from __future__ import annotations

import numpy as np

from tools.placement.attempts import Attempt
from tools.placement.columns import HEALTHS, Columns, Flags
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among, chosen, some_nodes
from tools.placement.port import Ask
from tools.placement.wishes import Wish


def standing(wish: Wish) -> Masks:
    """What the ask and the state of nodes refuse."""
    c = wish.columns
    return {
        Constraint.AVOID: _avoided(c, wish.ask),
        Constraint.HEALTH: ~c.fit,
        Constraint.CLUSTER: ~among(len(c.names.clusters), wish.clusters())[c.cluster],
        Constraint.SITE: _elsewhere(wish),
    }


def enduring(wish: Wish) -> Masks:
    """What marks on nodes refuse."""
    return {Constraint.CORDON: wish.columns.cordoned, Constraint.TAINT: _repelled(wish)}


def _avoided(columns: Columns, ask: Ask) -> Flags:
    found = np.zeros(len(columns.ids), dtype=np.bool_)
    found[[row for n in ask.avoid if (row := columns.rows.get(n)) is not None]] = True
    return found


def _repelled(wish: Wish) -> Flags:
    c, tolerates = wish.columns, wish.workload.tolerates
    repelling = np.array([not all(map(tolerates, found)) for found in c.taints], dtype=np.bool_)
    found: Flags = repelling[c.taint] if repelling.size else np.zeros(len(c.ids), dtype=np.bool_)
    return found


def _elsewhere(wish: Wish) -> Flags:
    c = wish.columns
    if not wish.ask.sites:
        return np.zeros(len(c.ids), dtype=np.bool_)
    return ~np.isin(c.site, [i for i, s in enumerate(c.names.sites) if s in wish.ask.sites])


def _avoid_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    return "a node that is not to be avoided", some_nodes(wish, refused), "leave it out of the nodes to avoid"


def _site_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    names = wish.columns.names.sites
    sites = {names[s] if s >= 0 else "no site" for s in wish.columns.site[refused]}
    return f"a node at {', '.join(wish.ask.sites)}", ", ".join(sorted(sites)), "allow another site"


def _cordon_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    return "an open node", f"cordoned: {some_nodes(wish, refused)}", "uncordon one once its symptom is gone"


def _taint_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    sets = (wish.columns.taints[t] for t in np.unique(wish.columns.taint[refused]))
    repelling = {t for taints in sets for t in taints if not wish.workload.tolerates(t)}
    found = f"tainted: {some_nodes(wish, refused)} ({', '.join(sorted(map(str, repelling)))})"
    return "a node whose taints it tolerates", found, "lift the taint once its symptom is gone, or tolerate it"


def _health_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    found = sorted(HEALTHS[h].value for h in np.unique(wish.columns.health[refused]))
    return "a healthy node", ", ".join(found), f"repair one of {some_nodes(wish, refused)}"


def _cluster_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    names = wish.columns.names.clusters
    found = sorted({names[c] for c in wish.columns.cluster[refused]})
    remedy = f"move all {wish.workload.replicas} replicas together to change the cluster"
    return f"cluster {wish.workload.cluster}", ", ".join(found), remedy


def _site_relaxed(wish: Wish, attempt: Attempt) -> str:
    sites = sorted({wish.columns.names.sites[wish.columns.site[r]] for r in attempt.rows})
    return f"allow site {', '.join(f'`{s}`' for s in sites)}; {chosen(wish, attempt)} would do"


def _cluster_relaxed(wish: Wish, attempt: Attempt) -> str:
    there = wish.columns.names.clusters[attempt.cluster]
    return f"move all {wish.workload.replicas} replicas of `{wish.workload.id}` together to cluster `{there}`"


RULES = (
    Rule(
        Constraint.AVOID,
        _avoid_words,
        lambda w, a: f"stop avoiding {chosen(w, a)}",
        "a place that was not ruled out",
    ),
    Rule(Constraint.SITE, _site_words, _site_relaxed, "a place in the regions that you named"),
    Rule(
        Constraint.CORDON,
        _cordon_words,
        lambda w, a: f"uncordon {chosen(w, a)} once the symptom there is gone",
        "a machine that is not in maintenance",
    ),
    Rule(
        Constraint.TAINT,
        _taint_words,
        lambda w, a: f"lift the taint of {chosen(w, a)}, or let `{w.workload.id}` tolerate it",
        "a machine that is not set aside",
    ),
    Rule(Constraint.HEALTH, _health_words, lambda w, a: f"repair {chosen(w, a)}", "a healthy machine"),
    Rule(
        Constraint.CLUSTER,
        _cluster_words,
        _cluster_relaxed,
        "room in the cluster where the rest of it runs",
    ),
)
