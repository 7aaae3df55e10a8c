"""What the risk of a proposal asks for, by what it does: the quorums and the duties of the profile that fit it. Pure.

`context` asks how many people must approve, and the rules compare that with the approvals that count; `deciding` asks
what an executor will owe.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.changes.kinds import NoInverse
from estate.identities import Role
from estate.obligations import Canary, Obligation, merged
from policies.domains import Sort
from policies.playing import Play
from policies.profiles import Profile, Risk


@dataclass(frozen=True, slots=True)
class Needed:
    """Approvals by role, of distinct people."""

    operators: int = 0
    owners: int = 0
    """Of each tenant whose work is changed."""


def needed(profile: Profile, play: Play) -> Needed:
    """The largest quorum of each role that fits what is asked."""
    fitting = [q for q in profile.approvals if _fits(q, play)]
    most = {r: max((q.count for q in fitting if q.role is r), default=0) for r in (Role.OPERATOR, Role.TENANT_OWNER)}
    return Needed(most[Role.OPERATOR], most[Role.TENANT_OWNER])


def owed(profile: Profile, play: Play) -> tuple[Obligation, ...]:
    """What an executor owes: of each kind the strictest that fits. A canary needs steps that can wait for it."""
    if not profile.obligations:
        return ()
    due = merged(o for duty in profile.obligations if _fits(duty, play) for o in duty.obligations)
    return tuple(o for o in due if not (isinstance(o, Canary) and o.steps >= len(play.asked)))


def _fits(risk: Risk, play: Play) -> bool:
    kinds = {s.change.kind for s in play.asked}
    touched = play.footprint
    return (
        (not risk.kinds or not kinds.isdisjoint(risk.kinds))
        and len({*touched.nodes, *play.unplayed}) >= risk.nodes
        and touched.disrupted_replicas >= risk.replicas
        and sum(1 for sort, _ in play.disturbed if sort is Sort.TENANT) >= risk.tenants
        and (not risk.irreversible or any(isinstance(s.inverse, NoInverse) for s in play.asked))
    )
