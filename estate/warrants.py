"""Warrants: the signed, expiring, single-use authority to execute one proposal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from estate.effects import Step
from estate.ids import Digest, ExecutorId, IncidentId, InstallationId, SiteId
from estate.obligations import Obligation
from estate.proposals import Lane
from estate.records import Record, Time, later
from estate.snapshots import SnapshotVersion

PAYLOAD_TYPE = "application/vnd.placet.warrant.v1+json"

Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Warrant(Record):
    """The payload of the DSSE envelope that the gate signs. The executor obeys nothing else."""

    kind: Literal["placet.warrant"] = "placet.warrant"
    v: Literal[1] = 1
    installation: InstallationId
    incident: IncidentId
    proposal: Digest
    verdict: Digest
    bundle: Digest
    facts: Digest
    read_set: Digest
    snapshot: SnapshotVersion
    """Provenance: the estate that the gate decided on. The executor decides again on its newest."""
    site: SiteId
    lane: Lane
    steps: tuple[Step, ...]
    """The gate's own layout, with preconditions, postconditions and the named inverse of each step."""
    approvals: tuple[Digest, ...] = ()
    audience: ExecutorId
    issued_at: Time
    not_before: Time
    expires_at: Time
    """Bounds the start of a step, never an undo."""
    nonce: Nonce
    obligations: tuple[Obligation, ...] = later(())
    """What whoever uses it owes beside the steps: who cannot do one of them does nothing."""
