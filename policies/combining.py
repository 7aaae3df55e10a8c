"""What Cedar's answers to the requests of one decision come to, before the kernel has its say.

The same as `policies.deciding` makes of them with words for people; called where there are requests and no estate: by
the cases beside the rules and by the replay of what was decided.
"""

from __future__ import annotations

from collections.abc import Iterable

from estate.verdicts import Decision
from policies.bundle import Answer


def decision(answers: Iterable[Answer]) -> Decision:
    """Permit if every request is permitted without an error; needs-approval if approvals alone could turn the rest."""
    listed = list(answers)
    if all(a.allowed and not a.errors for a in listed):
        return Decision.PERMIT
    return Decision.NEEDS_APPROVAL if all(_lifted(a) for a in listed) else Decision.FORBID


def _lifted(answer: Answer) -> bool:
    if answer.errors:
        return False
    return answer.allowed or (bool(answer.rules) and all(r.forbids and r.requires is not None for r in answer.rules))
