"""The request grammar of the runbook: a handful of imperative sentences, resolved against a snapshot.

    move <tenant>'s <training|inference|…|workload> to [site|rack|cluster] <name>[, reason]
    move <workload> to <site|rack|cluster>[, reason]
    scale <workload> to <n>
    place <workload>
    cordon <node> | uncordon <node>
    cap <node> at <n> W|kW | uncap <node>

Unknown words are answered with what is understood; an unlawful wish is understood like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.minds.plans import Aim, Cap, FenceOff, NoPlan, Plan, Relocate, Rescale, Seat, Unfence
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.snapshots import Snapshot
from estate.units import Watts
from estate.workloads import Workload, WorkloadKind

UNDERSTOOD = (
    "move <tenant>'s <inference|training|workload> to <site|rack|cluster>",
    "scale <workload> to <n>",
    "place <workload>",
    "cordon <node>",
    "uncordon <node>",
    "cap <node> at <n> W",
)
_LONGEST = 2000
_NAME = r"[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?"
_GOAL = rf"(?:(?:the )?(?:site|rack|cluster) )?(?P<where>{_NAME})"
_WHY = r"(?:\s*(?:,|;|:|\bbecause\b|\bsince\b)\s*(?P<why>.*))?"


class _Unclear(Exception):
    """The sentence is known, but a name in it is not; carries what to say."""


def interpret(text: str, snapshot: Snapshot) -> Plan | NoPlan:
    """The plan that a request asks for, or an explained refusal."""
    sentence = " ".join(text[:_LONGEST].replace("’", "'").split()).rstrip(".!")
    for pattern, reading in _SENTENCES:
        if found := pattern.fullmatch(sentence):
            try:
                aims = reading(found, snapshot)
            except _Unclear as unclear:
                return NoPlan(reason=str(unclear))
            why = found.groupdict().get("why") or ""
            return Plan(summary=sentence, aims=aims, reason=why)
    understood = "; ".join(f"`{u}`" for u in UNDERSTOOD)
    return NoPlan(reason=f"not understood: `{sentence[:200]}`; write one of: {understood}")


def _move_tenants(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    tenant, what = TenantId(found["tenant"].lower()), found["what"].lower()
    if tenant not in snapshot.facts.tenant:
        raise _Unclear(f"tenant `{tenant}` is not in the facts; known: {_list(snapshot.facts.tenant)}")
    own = [w for w in snapshot.workloads() if w.tenant == tenant]
    meant = [w for w in own if what in {w.id, w.name, "workloads", "everything"} or w.kind.value == _kind(what)]
    if not meant:
        known = ", ".join(f"{w.id} ({w.kind.value})" for w in own) or "none"
        raise _Unclear(f"`{tenant}` has no workload `{what}`; it has: {known}")
    return tuple(_to(w.id, found["where"].lower(), snapshot) for w in meant)


def _move_workload(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    return (_to(_workload(found["what"], snapshot).id, found["where"].lower(), snapshot),)


def _to(workload: WorkloadId, where: str, snapshot: Snapshot) -> Relocate:
    facts = snapshot.facts
    if SiteId(where) in facts.site:
        return Relocate(workload=workload, site=SiteId(where))
    if RackId(where) in facts.rack:
        return Relocate(workload=workload, rack=RackId(where))
    if ClusterId(where) in facts.cluster:
        return Relocate(workload=workload, cluster=ClusterId(where))
    raise _Unclear(f"`{where}` is no site, rack or cluster of this estate; sites: {_list(facts.site)}")


def _scale(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    return (Rescale(workload=_workload(found["what"], snapshot).id, replicas=int(found["count"])),)


def _place(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    return (Seat(workload=_workload(found["what"], snapshot).id),)


def _cordon(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    return (FenceOff(node=_node(found["node"], snapshot), reason=found["why"] or ""),)


def _uncordon(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    return (Unfence(node=_node(found["node"], snapshot)),)


def _cap(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    unit = 1000 if found["unit"].lower().startswith("k") else 1
    return (Cap(node=_node(found["node"], snapshot), watts=Watts(int(found["watts"]) * unit)),)


def _uncap(found: re.Match[str], snapshot: Snapshot) -> tuple[Aim, ...]:
    return (Cap(node=_node(found["node"], snapshot), watts=None),)


def _workload(name: str, snapshot: Snapshot) -> Workload:
    workload = snapshot.workload(WorkloadId(name.lower()))
    if workload is None:
        raise _Unclear(f"workload `{name}` is not in the estate; see `placet get workloads`")
    return workload


def _node(name: str, snapshot: Snapshot) -> NodeId:
    node = snapshot.node(NodeId(name.lower()))
    if node is None:
        raise _Unclear(f"node `{name}` is not in the estate; see `placet get nodes`")
    return node.id


def _kind(word: str) -> str:
    return word if word in set(WorkloadKind) else word.rstrip("s")


def _list(names: object) -> str:
    known = sorted(str(n) for n in names) if isinstance(names, dict) else []
    return ", ".join(known[:8]) + (" …" if len(known) > 8 else "")


type _Reading = Callable[[re.Match[str], Snapshot], tuple[Aim, ...]]


def _sentence(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:please )?{pattern}{_WHY}", re.IGNORECASE)


_SENTENCES: tuple[tuple[re.Pattern[str], _Reading], ...] = (
    (_sentence(rf"move (?P<tenant>{_NAME})'s (?P<what>{_NAME}) to {_GOAL}"), _move_tenants),
    (_sentence(rf"move (?P<what>{_NAME}) to {_GOAL}"), _move_workload),
    (_sentence(rf"scale (?P<what>{_NAME}) to (?P<count>\d{{1,4}})(?: replicas?)?"), _scale),
    (_sentence(rf"place (?P<what>{_NAME})"), _place),
    (_sentence(rf"cordon (?:node )?(?P<node>{_NAME})"), _cordon),
    (_sentence(rf"uncordon (?:node )?(?P<node>{_NAME})"), _uncordon),
    (_sentence(rf"cap (?:node )?(?P<node>{_NAME}) (?:at|to) (?P<watts>\d{{1,7}}) ?(?P<unit>k?w)(?:atts?)?"), _cap),
    (_sentence(rf"uncap (?:node )?(?P<node>{_NAME})"), _uncap),
)
