"""Closed sets of words that people write: roles, modes, what an approver says. It imports nothing.

The command line offers them as choices, and must not load the whole model of the estate to show its help. Everybody
else finds each word in the module that it belongs to: `identities.Role`, `modes.Mode`, `approvals.Word`.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What an enrolled person may do. Which role an approval needs is the rules' business."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    TENANT_OWNER = "tenant-owner"
    POLICY_AUTHOR = "policy-author"
    REQUESTER = "requester"


class Mode(StrEnum):
    """Observe gives verdicts and no warrants; approve needs a human for every change."""

    OBSERVE = "observe"
    APPROVE = "approve"
    AUTOMATIC = "automatic"

    @property
    def caution(self) -> int:
        """The more cautious of two modes is the one with the larger number."""
        return {Mode.OBSERVE: 2, Mode.APPROVE: 1, Mode.AUTOMATIC: 0}[self]


class Word(StrEnum):
    """What a human says. A human denies; only a verdict forbids."""

    APPROVE = "approve"
    DENY = "deny"
