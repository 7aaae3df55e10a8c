"""A tool about NVIDIA Xid codes: what happened, how bad it is, and which class of action helps.

Severity and reason are those of `tools.payloads.xids`, so that a mind and intake never disagree. The names and
actions here are our own short words for the codes that operators meet; any other code says so.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from estate.observations import EventType, Severity
from estate.records import Model
from tools.catalogue.tools import Answer, Desk, Tool
from tools.payloads import xids


class Action(StrEnum):
    """What kind of action a code calls for first."""

    NONE = "none"
    RESTART_APPLICATION = "restart-application"
    RESET_DEVICE = "reset-device"
    RESTART_MACHINE = "restart-machine"
    CHECK_LINK = "check-link"
    FOLLOW_OTHER_CODE = "follow-other-code"
    INVESTIGATE = "investigate"


class XidQuestion(Model):
    """Which code."""

    code: int = Field(ge=1, le=999)


class XidAnswer(Answer):
    """One code in words."""

    code: int
    name: str
    known: bool
    severity: Severity
    event: EventType
    action: Action
    reason: str


KNOWN: dict[int, tuple[str, Action]] = {
    13: ("graphics engine exception", Action.RESTART_APPLICATION),
    31: ("memory page fault", Action.RESTART_APPLICATION),
    43: ("application stopped by a fault of its own", Action.NONE),
    45: ("preemptive cleanup after other errors", Action.FOLLOW_OTHER_CODE),
    48: ("double-bit memory error", Action.RESET_DEVICE),
    62: ("micro-controller halt", Action.RESET_DEVICE),
    63: ("memory row remapped", Action.NONE),
    64: ("memory row remapping failed", Action.RESET_DEVICE),
    68: ("video decoder exception", Action.RESTART_APPLICATION),
    69: ("graphics engine class error", Action.RESTART_APPLICATION),
    74: ("nvlink error", Action.CHECK_LINK),
    79: ("device fell off the bus", Action.RESTART_MACHINE),
    92: ("many single-bit memory errors", Action.NONE),
    94: ("contained memory error", Action.RESTART_APPLICATION),
    95: ("uncontained memory error", Action.RESET_DEVICE),
    109: ("context switch timeout", Action.RESET_DEVICE),
    110: ("security fault", Action.RESET_DEVICE),
    119: ("system processor did not answer", Action.RESET_DEVICE),
    120: ("system processor error", Action.RESET_DEVICE),
    121: ("corrected error on the link to the processor", Action.NONE),
    140: ("unrecovered memory error", Action.RESET_DEVICE),
    143: ("device initialisation failed", Action.RESET_DEVICE),
    145: ("nvlink 5 transport error", Action.CHECK_LINK),
    149: ("nvlink 5 network error", Action.CHECK_LINK),
    154: ("recovery action changed", Action.FOLLOW_OTHER_CODE),
}


def xid_meaning(desk: Desk, question: XidQuestion) -> XidAnswer:
    """The code in words; an unlisted one is to be investigated."""
    name, action = KNOWN.get(question.code, ("not in our table", Action.INVESTIGATE))
    meaning = xids.meaning(question.code)
    return XidAnswer(
        snapshot=desk.snapshot.version,
        code=question.code,
        name=name,
        known=question.code in KNOWN,
        severity=meaning.severity,
        event=meaning.type,
        action=action,
        reason=meaning.reason,
    )


XID_MEANING = Tool(
    "xid_meaning",
    "What an NVIDIA Xid code means, how severe it is, and the class of action that helps.",
    XidQuestion,
    XidAnswer,
    xid_meaning,
)
