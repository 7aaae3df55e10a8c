"""Signed controls on their way to the ledger: whether they may take effect, and the entry that must stand before.

Gate and executor verify the envelope again when it reaches them; this check is for the caller's sake.
"""

from __future__ import annotations

from dataclasses import dataclass

from console.door.calls import Opened
from console.door.commands import Control as Sort
from console.door.desk import Desk, NotFound
from console.door.sealing import PAYLOAD_TYPES
from console.door.stories import says
from estate.errors import Denied, RetryLater
from estate.modes import Freeze
from estate.ratifications import Ratification
from policies import dsse
from policies.controls import Control
from policies.ledger.port import Draft


@dataclass(frozen=True, slots=True)
class Setting:
    """A control that was verified: its entry to be, and what it says."""

    draft: Draft
    says: str


def read(desk: Desk, opened: Opened, control: Sort, envelope: bytes) -> Setting:
    """The setting in `envelope`, checked by the very rules that its followers use.

    Raises:
        NotFound: it is for a site or a tenant that the facts do not name, which a slip of the pen would leave unfrozen.
        Denied: somebody else signed it, it is for another installation, or the caller may not set this.
    """
    if dsse.stated_type(envelope) != PAYLOAD_TYPES[control]:
        raise Denied(f"the envelope holds no {control.value}; sign it again")
    if control is Sort.ENROLMENT:
        enrolled = desk.enrolments.admit(envelope)
        signer, draft = enrolled.signer, enrolled.draft(desk.clock())
    else:
        set_by = desk.controls.admit(envelope)
        _check_scope(desk, set_by.control)
        signer, draft = set_by.control.by, set_by.draft(desk.clock())
    if signer != opened.caller.subject:
        raise Denied(f"`{signer}` signed this setting; let them give it themselves")
    return Setting(draft, says(draft.kind, draft.body))


def _check_scope(desk: Desk, control: Control) -> None:
    if isinstance(control, Ratification) or (isinstance(control, Freeze) and not control.frozen):
        return
    try:
        facts = desk.reader.newest().facts
    except RetryLater:
        return  # a freeze must be possible on the day when no facts are
    for kind, name, known in (
        ("site", control.scope.site, sorted(facts.site)),
        ("tenant", control.scope.tenant, sorted(facts.tenant)),
    ):
        if name is not None and name not in known:
            raise NotFound(f"no {kind} `{name}`, nothing was set; there are {', '.join(known)}")
