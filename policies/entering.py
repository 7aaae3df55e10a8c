"""What a proposal must be before the gate records it: of this installation, by an agent, dated now, and not misleading.

Pure; called by the gate before anything else. What is refused here was never proposed: the ledger has nothing of it.
"""

from __future__ import annotations

from datetime import datetime

from estate.errors import Denied, NotYet
from estate.identities import SubjectKind
from estate.ids import InstallationId
from estate.proposals import Proposal
from estate.snapshots import Snapshot
from policies import lookalikes, skews
from policies.skews import Skewed


def check(proposal: Proposal, installation: InstallationId, now: datetime) -> None:
    """Refuse what must not be recorded.

    Raises:
        Skewed: it is dated by a clock that is ahead.
        Denied: it is for another installation, names no agent of this one, or bears a title that people could take for
            another.
    """
    _check_proposer(proposal, installation)
    ahead = proposal.created_at - now
    if ahead > skews.MOST:
        seconds = int(ahead.total_seconds())
        why = f"the proposal is dated {seconds} s ahead of this clock, 30 are allowed; set the clocks"
        raise Skewed(why, "an agent", seconds)  # which one it says itself, and may say anything
    if fault := lookalikes.fault(proposal.summary):
        raise Denied(f"the summary misleads: {fault}")


def check_caught_up(proposal: Proposal, snapshot: Snapshot) -> None:
    """A plan may be ahead of this snapshot by a delta; judging it now would call it stale. Raises NotYet."""
    planned, seen = proposal.snapshot, snapshot.version
    if (planned.epoch, planned.sequence) > (seen.epoch, seen.sequence):
        raise NotYet(f"planned on snapshot `{planned}`, this gate has seen `{seen}`; deliver it again")


def _check_proposer(proposal: Proposal, installation: InstallationId) -> None:
    """Only agents reach the gate: whoever else is named did not propose it, and the ledger would say they had."""
    if proposal.installation != installation:
        raise Denied(f"the proposal is for installation `{proposal.installation}`, this is `{installation}`")
    by = proposal.proposer
    if by.kind is not SubjectKind.AGENT or by.issuer != installation:
        raise Denied(f"`{by}` is no agent of `{installation}`; propose in one's own name, on behalf of another")
