"""Whose word on facts an installation trusts, by its record alone. Called wherever facts are opened."""

from __future__ import annotations

import base64

from console.state import InstallationRecord
from estate.identities import Enrolment
from policies import dsse
from policies.keyrings import StaticRing
from policies.signed_facts import FactsRing


def facts_ring(record: InstallationRecord) -> FactsRing:
    """Who may sign this installation's facts: its facts' key, and what its first administrator says has followed it."""
    first = Enrolment.read(dsse.stated_payload(record.administrator.encode()))
    owner = StaticRing({record.administrator_key: base64.b64decode(first.public_key)})
    return FactsRing(StaticRing.of(base64.b64decode(record.public_keys["facts"])), owner)
