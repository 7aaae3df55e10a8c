"""Mandates: on whose behalf a case is pursued, by the signed command that opened it and never by an agent's word.

The console writes a mandate into the ledger before the command's event exists. Gate and executor read it back by the
incident; a proposal that claims another person, other tenants or other changes breaks tier 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from estate import canonical
from estate.canonical import Json
from estate.changes import Change
from estate.errors import BadInput
from estate.identities import Subject
from estate.ids import Digest, IncidentId, TenantId
from estate.records import Model
from policies.ledger.port import Ledger

FIELD: Final = "mandate"
"""The field of a `commanded` entry's body that holds the mandate."""


class Mandate(Model):
    """The person, the tenants they speak for, and the digest of the changes that they wrote themselves."""

    person: Subject | None = None
    tenants: tuple[TenantId, ...] = ()
    changes: Digest | None = None
    """None where they asked in words: which changes serve that is the planner's to say, and the law's to judge."""


NOBODY: Final = Mandate()
"""The mandate of an incident that no command opened: it stands for no person."""


def key(incident: IncidentId) -> str:
    """The key of the ledger entry of the one command that opened `incident`."""
    return f"commanded:{incident}"


def digest_of(changes: Iterable[Change]) -> Digest:
    """What a mandate calls these changes, in this order."""
    forms: list[Json] = [c.json_form() for c in changes]
    return canonical.digest_of(forms)


async def find(ledger: Ledger, incident: IncidentId) -> Mandate:
    """The mandate of `incident`; nobody's where the ledger has no command for it, or its body was erased."""
    entry = await ledger.find(key(incident))
    form = entry.body.get(FIELD) if entry is not None else None
    if not isinstance(form, dict):
        return NOBODY
    try:
        return Mandate.model_validate(form)
    except ValueError as error:
        raise BadInput(f"the mandate of `{incident}` does not fit; see `placet ledger show`") from error
