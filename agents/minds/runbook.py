"""The runbook: the deterministic mind, and the default. The same briefing always gets the same answer.

It knows six things: a lost device (fence its node, move all that runs there, reserve elsewhere what was reserved
there), work that stands unlawfully (have it stand where the law lets it), a reservation that could not be kept, work
that stands where a promise is broken (move it where all are kept), a node that is well again behind its fence (lift
it), and work that Placet's own gate holds back (give it a home).
"""

from __future__ import annotations

from agents import folding
from agents.minds import phrases
from agents.minds.plans import (
    Aim,
    Diagnosis,
    Evacuate,
    FenceOff,
    NoPlan,
    Plan,
    Rehome,
    ReserveAgain,
    Restore,
    Seat,
    Unfence,
)
from agents.minds.port import Briefing
from agents.roster import RUNBOOK
from estate import reserving
from estate.events import Event
from estate.ids import NodeId
from estate.observations import PROMISE_BROKEN, EventType
from estate.proposals import Evidence
from estate.uses.running import Maker

_LOST = frozenset({EventType.ACCELERATOR_FAILED, EventType.NODE_FAILED})
LAWFUL_AGAIN = "everything stands lawfully again"
KEPT_AGAIN = "everything that was promised is kept again"
NOTHING_IDLE = "no fence is left on what is well again"
NOBODY_WAITS = "nothing waits for a place any more"
_UNLAWFUL = frozenset({EventType.SOVEREIGNTY_VIOLATED, EventType.ISOLATION_VIOLATED})


class Runbook:
    """What an operator's runbook says."""

    name = "runbook"

    @property
    def makers(self) -> tuple[Maker, ...]:
        """Itself."""
        return (RUNBOOK.maker(),)

    async def diagnose(self, briefing: Briefing) -> Diagnosis:
        """The gravest fault among the incident's events decides the cause."""
        lost = [e for e in briefing.incident.events if _is_loss(e)]
        if not lost:
            known = (_unlawful, _unkept, _broken, _healed, _waiting)
            return next((d for way in known if (d := way(briefing)) is not None), _unexplained(briefing))
        nodes = tuple(sorted({e.place.node for e in lost if e.place.node}))
        return Diagnosis(cause=_cause(lost), nodes=nodes, evidence=tuple(_cited(e) for e in lost[:8]))

    async def plan(self, briefing: Briefing, diagnosis: Diagnosis) -> Plan | NoPlan:
        """Evacuate every node that the diagnosis names, or restore what it says is unlawful."""
        if diagnosis.unlawful:
            return _restoring(diagnosis)
        if diagnosis.unkept:
            return _reserving(diagnosis)
        if diagnosis.broken:
            return _rehoming(diagnosis)
        if diagnosis.healed:
            return _lifting(diagnosis)
        if diagnosis.waiting:
            return _seating(diagnosis)
        if not diagnosis.nodes:
            if diagnosis.cause in (LAWFUL_AGAIN, KEPT_AGAIN, NOTHING_IDLE, NOBODY_WAITS):
                return NoPlan(reason=diagnosis.cause, settled=True)
            return NoPlan(reason=f"the runbook has no remedy for: {diagnosis.cause}")
        aims = [a for n in diagnosis.nodes for a in _aims(n, briefing)]
        if not aims:
            names = ", ".join(diagnosis.nodes)
            return NoPlan(reason=f"{names} fenced, and nothing runs there", settled=True)
        summary = f"move everything off {', '.join(diagnosis.nodes)}: {diagnosis.cause}"
        return Plan(summary=summary, aims=tuple(aims), reason=diagnosis.cause)

    async def interpret(self, briefing: Briefing, text: str) -> Plan | NoPlan:
        """By the grammar of `agents.minds.phrases`."""
        return phrases.interpret(text, briefing.snapshot)


def _is_loss(event: Event) -> bool:
    return event.type in _LOST and folding.material(event)


def _aims(node: NodeId, briefing: Briefing) -> tuple[Aim, ...]:
    """A fence where containment has not asked for one, then the evacuation."""
    found = briefing.snapshot.node(node)
    asked = any(f.node == node for f in briefing.incident.fences)
    fence = () if found is None or found.cordoned or asked else (FenceOff(node=node, reason="a device is lost"),)
    moves = (Evacuate(node=node),) if briefing.snapshot.workloads_on(node) else ()
    kept = (ReserveAgain(reservation=r.id) for r in reserving.on(briefing.snapshot, node))
    return (*fence, *moves, *kept)


def _cause(lost: list[Event]) -> str:
    devices = sorted({(e.place.node, e.place.accelerator) for e in lost if e.place.node}, key=str)
    where = ", ".join(f"{node}" if index is None else f"{node} accelerator {index}" for node, index in devices)
    codes = ", ".join(sorted({e.code for e in lost if e.code}))
    return f"{where or 'a device'} lost{f' ({codes})' if codes else ''}"


def _unlawful(briefing: Briefing) -> Diagnosis | None:
    """What the law's own sensor says; None where it says nothing here."""
    told = [e for e in briefing.incident.events if e.type in _UNLAWFUL]
    still = _unresolved(told)
    names = tuple(sorted({e.place.workload for e in still if e.place.workload is not None}))
    cause = "; ".join(e.message for e in still)[:2000] or LAWFUL_AGAIN
    cited = tuple(_cited(e) for e in still[:8])
    return Diagnosis(cause=cause, unlawful=names[:64], evidence=cited) if told else None


def _unresolved(told: list[Event]) -> list[Event]:
    last = {e.place.workload: e for e in sorted(told, key=lambda e: (e.received_at, e.resolved))}
    return [e for e in last.values() if not e.resolved]


def _restoring(diagnosis: Diagnosis) -> Plan:
    names = diagnosis.unlawful
    summary = f"have {', '.join(names[:8])} stand lawfully again: {diagnosis.cause}"
    return Plan(summary=summary[:1000], aims=tuple(Restore(workload=n) for n in names), reason=diagnosis.cause)


def _unkept(briefing: Briefing) -> Diagnosis | None:
    """The reservations on the nodes of which their sensor told last that something is amiss."""
    told = [e for e in briefing.incident.events if e.code == reserving.UNKEPT]
    last = {e.place.node: e for e in sorted(told, key=lambda e: (e.received_at, e.resolved))}
    still = [e for e in last.values() if not e.resolved and e.place.node is not None]
    names = sorted({r.id for e in still if e.place.node for r in reserving.on(briefing.snapshot, e.place.node)})
    if not names:
        return None
    cause = "; ".join(e.message for e in still)[:2000]
    return Diagnosis(cause=cause, unkept=tuple(names[:64]), evidence=tuple(_cited(e) for e in still[:8]))


def _reserving(diagnosis: Diagnosis) -> Plan:
    summary = f"keep what is reserved: {diagnosis.cause}"[:1000]
    aims = tuple(ReserveAgain(reservation=name) for name in diagnosis.unkept)
    return Plan(summary=summary, aims=aims, reason=diagnosis.cause)


def _broken(briefing: Briefing) -> Diagnosis | None:
    """What the sensor of promises says of places; a deadline is for people. None where it says nothing here."""
    told = [e for e in briefing.incident.events if _tells_of_a_place(e)]
    last = {(e.place.workload, e.code): e for e in sorted(told, key=lambda e: (e.received_at, e.resolved))}
    still = [e for e in last.values() if not e.resolved]
    names = tuple(sorted({e.place.workload for e in still if e.place.workload is not None}))
    cause = "; ".join(e.message for e in still)[:2000] or KEPT_AGAIN
    return Diagnosis(cause=cause, broken=names[:64], evidence=tuple(_cited(e) for e in still[:8])) if told else None


def _tells_of_a_place(event: Event) -> bool:
    promise = event.code.removeprefix(f"{PROMISE_BROKEN}-")
    return promise not in (event.code, "deadline")


def _rehoming(diagnosis: Diagnosis) -> Plan:
    names = diagnosis.broken
    summary = f"move {', '.join(names[:8])} to where all that was promised is kept: {diagnosis.cause}"
    return Plan(summary=summary[:1000], aims=tuple(Rehome(workload=n) for n in names), reason=diagnosis.cause)


def _healed(briefing: Briefing) -> Diagnosis | None:
    """The nodes that are said to be well again, as far as they are fenced still; None where nothing here says so."""
    told = [e for e in briefing.incident.events if folding.tells_of_an_idle_fence(e)]
    names = sorted({e.place.node for e in told if e.place.node is not None})
    nodes = (briefing.snapshot.node(n) for n in names)
    still = tuple(n.id for n in nodes if n is not None and n.cordoned)
    cause = "; ".join(e.message for e in told)[:2000] if still else NOTHING_IDLE
    return Diagnosis(cause=cause, healed=still[:64], evidence=tuple(_cited(e) for e in told[:8])) if told else None


def _lifting(diagnosis: Diagnosis) -> Plan:
    names = diagnosis.healed
    summary = f"lift the fence of {', '.join(names[:8])}: what was wrong there is gone"
    return Plan(summary=summary[:1000], aims=tuple(Unfence(node=n) for n in names), reason=diagnosis.cause)


def _waiting(briefing: Briefing) -> Diagnosis | None:
    """What asks for a place, as far as it still waits; None where nothing here asked."""
    asked = [e for e in briefing.incident.events if folding.asks_for_a_place(e)]
    names = sorted({e.place.workload for e in asked if e.place.workload is not None})
    found = (briefing.snapshot.workload(n) for n in names)
    still = tuple(w.id for w in found if w is not None and w.gated and len(w.bindings) < w.replicas)
    cause = f"{', '.join(still[:8])} wait for a place" if still else NOBODY_WAITS
    return Diagnosis(cause=cause, waiting=still[:64], evidence=tuple(_cited(e) for e in asked[:8])) if asked else None


def _seating(diagnosis: Diagnosis) -> Plan:
    names = diagnosis.waiting
    summary = f"place {', '.join(names[:8])}: their pods are held back until then"
    return Plan(summary=summary[:1000], aims=tuple(Seat(workload=n) for n in names), reason=diagnosis.cause)


def _unexplained(briefing: Briefing) -> Diagnosis:
    said = [folding.title(e) for e in briefing.incident.events[:3]]
    return Diagnosis(cause="; ".join(said) or "no event is recorded")


def _cited(event: Event) -> Evidence:
    return Evidence(source=event.source, claim=event.message or event.code or event.type.value)
