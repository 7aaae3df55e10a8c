"""What is alike, told once: a thousand workloads of a cluster that no fact knows fail for a few reasons. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from console.contact.describing import Inventory, NodeRow
from console.contact.foreseeing import Foreseen
from estate.hardware import Health
from estate.verdicts import Failure
from policies.reviewing import Review

_STATES = {
    Health.HEALTHY: "ready",
    Health.DEGRADED: "under pressure",
    Health.FAILED: "not ready",
    Health.UNKNOWN: "of unknown health",
}


def nodes_told(seen: Inventory) -> str:
    """The nodes in one line."""
    states = Counter(_STATES[n.health] for n in seen.nodes)
    counts = [f"{states[s]} {s}" for s in _STATES.values() if states[s]]
    marks = (
        ("cordoned", sum(1 for n in seen.nodes if n.cordoned)),
        ("tainted", sum(1 for n in seen.nodes if n.taints)),
        ("in no rack of the facts", sum(1 for n in seen.nodes if n.rack is None)),
    )
    return f"{len(seen.nodes)} nodes: {', '.join([*counts, *(f'{c} {m}' for m, c in marks if c)]) or 'none'}"


def node_told(node: NodeRow) -> str:
    """What is odd about a node; empty where nothing is."""
    odd = [] if node.health is Health.HEALTHY else [_STATES[node.health]]
    odd += ["cordoned"] if node.cordoned else []
    odd += [f"tainted {t}" for t in node.taints]
    odd += [f"{node.failed} accelerators failed"] if node.failed else []
    return ", ".join(odd)


def alike(reviews: Iterable[Review]) -> list[tuple[Failure, list[str]]]:
    """Failures of one policy that need the same, each with its workloads; those of most workloads first.

    What was found is told of the first, where the others found something else.
    """
    found: dict[tuple[str, ...], tuple[Failure, set[str], list[str]]] = {}
    for review in reviews:
        for failure in review.failures:
            key = (failure.dimension, failure.policy, failure.needed, failure.remedy)
            _, findings, names = found.setdefault(key, (failure, set(), []))
            findings.add(failure.found)
            names.append(str(review.workload))
    told = [(_several(failure, len(findings)), names) for failure, findings, names in found.values()]
    return sorted(told, key=lambda f: (-len(f[1]), f[0].dimension, f[0].policy))


def _several(failure: Failure, findings: int) -> Failure:
    if findings == 1:
        return failure
    return failure.model_copy(update={"found": f"{failure.found} (and {findings - 1} other findings)"})


def idle(foreseen: Iterable[Foreseen]) -> list[tuple[str, str, list[str]]]:
    """Troubles about which nothing would be done: what they are, why, and what they are about."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in foreseen:
        if not one.proposed:
            found[one.trouble, one.nothing.replace(one.about.partition("/")[2], "it")].append(one.about)
    return [(trouble, why, about) for (trouble, why), about in found.items()]
