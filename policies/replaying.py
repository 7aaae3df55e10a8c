"""Decisions of the past put to another law: which of them would flip.

Called by `placet policy replay` with entries of the ledger. It asks Cedar again for exactly what was read then, which
stands beside each verdict, so it needs no estate of the past. What only the kernel objected to stays forbidden, because
the kernel is no part of a bundle; whether a word of a person counted is taken as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import Digest, IncidentId, PolicyId
from estate.records import Model
from estate.verdicts import Decision, Verdict
from policies import combining
from policies.bundle import Answer, Bundle
from policies.deciding import KERNEL
from policies.ledger.exports import LeafLine
from policies.ledger.port import EntryKind


class Replayed(Model):
    """One decision of the past beside what another law makes of it."""

    proposal: Digest
    incident: IncidentId
    decided_at: datetime
    was: Decision
    now: Decision | None = None
    """None: it cannot be asked again, and `why` says so."""
    policies: tuple[PolicyId, ...] = ()
    """Those that decide now."""
    why: str = ""

    @property
    def flips(self) -> bool:
        """Whether the other law decides otherwise."""
        return self.now is not None and self.now is not self.was


def decisions(lines: Iterable[bytes], last: int) -> tuple[dict[str, Any], ...]:
    """The bodies of the last so many decisions in an exported ledger. Erased ones are gone, tenants' parts no bodies.

    Raises:
        BadInput: a line is no line of an export.
    """
    kept: deque[dict[str, Any]] = deque(maxlen=last)
    for line in lines:
        form = canonical.loads(line)
        if isinstance(form, dict) and form.get("kind") == "leaf":
            found = LeafLine.model_validate(form)
            if found.leaf.entry is EntryKind.DECIDED and found.content is not None and "verdict" in found.content.body:
                kept.append(dict(found.content.body))
    return tuple(kept)


def replay(bodies: Iterable[dict[str, Any]], candidate: Bundle) -> tuple[Replayed, ...]:
    """Each decision, by the bodies of its entries in the ledger, under `candidate`."""
    return tuple(_replayed(body, candidate) for body in bodies)


def _replayed(body: dict[str, Any], candidate: Bundle) -> Replayed:
    verdict = Verdict.read(body["verdict"])
    try:
        answers = candidate.ask(_requests(body.get("read_set"), verdict))
    except BadInput as error:
        return _found(verdict, why=str(error))
    if strange := next((e for a in answers for e in a.errors if not a.rules and not a.allowed), None):
        return _found(verdict, why=f"the candidate's schema does not know what was read then: {strange}")
    now = Decision.FORBID if KERNEL in verdict.policies else combining.decision(answers)
    return _found(verdict, now, answers)


def _found(verdict: Verdict, now: Decision | None = None, answers: tuple[Answer, ...] = (), why: str = "") -> Replayed:
    rules = [r for a in answers for r in a.rules]
    deciding = [r for r in rules if r.forbids] or rules
    return Replayed(
        proposal=verdict.proposal,
        incident=verdict.incident,
        decided_at=verdict.decided_at,
        was=verdict.decision,
        now=now,
        policies=tuple(dict.fromkeys(r.id for r in deciding)),
        why=why,
    )


def _requests(read: Json, verdict: Verdict) -> list[dict[str, Any]]:
    """The requests of a read set. Raises BadInput unless it is the one that the verdict names."""
    if read is None:
        raise BadInput("what was read was not kept yet when this was decided")
    if canonical.digest_of(read) != verdict.read_set:
        raise BadInput(f"what is kept is not what the verdict read (`{verdict.read_set}`); verify the ledger")
    assert isinstance(read, list)
    principal, asks = read
    assert isinstance(asks, list)
    return [_request(str(principal), ask) for ask in asks]


def _request(principal: str, ask: Json) -> dict[str, Any]:
    assert isinstance(ask, list)
    action, kind, name, _, context = ask
    return {
        "principal": {"type": "Actor", "id": principal},
        "action": {"type": "Action", "id": action},
        "resource": {"type": kind, "id": name},
        "context": context,
    }
