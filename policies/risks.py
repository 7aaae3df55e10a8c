"""How many people must approve a proposal, by what it does: the quorums of the profile that fit it. Pure.

Called by `context`; the rules compare the numbers with the approvals that count.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.changes.kinds import NoInverse
from estate.identities import Role
from policies.domains import Sort
from policies.playing import Play
from policies.profiles import Profile, Quorum


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


def _fits(quorum: Quorum, play: Play) -> bool:
    kinds = {s.change.kind for s in play.asked}
    touched = play.footprint
    return (
        (not quorum.kinds or not kinds.isdisjoint(quorum.kinds))
        and len({*touched.nodes, *play.unplayed}) >= quorum.nodes
        and touched.disrupted_replicas >= quorum.replicas
        and sum(1 for sort, _ in play.disturbed if sort is Sort.TENANT) >= quorum.tenants
        and (not quorum.irreversible or any(isinstance(s.inverse, NoInverse) for s in play.asked))
    )
