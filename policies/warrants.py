"""Warrants made and opened. The gate builds one from a permit; the executor opens it and obeys nothing else.

Opening refuses with `Denied` and says which claim did not hold. It asks no clock: expiry bounds the start of a step
(`check_in_force`), and never an undo.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from estate.clocks import Entropy
from estate.effects import Step
from estate.errors import BadInput, Denied
from estate.ids import ExecutorId, InstallationId
from estate.obligations import soak_seconds
from estate.verdicts import Decision, Verdict
from estate.warrants import PAYLOAD_TYPE, Warrant
from policies import dsse, skews
from policies.keyrings import KeyRing
from policies.ledger.port import Ledger
from policies.recording import issued_key
from policies.skews import Skewed

LIFETIME: Final = timedelta(minutes=10)

type RingAt = Callable[[datetime], KeyRing]
"""Whose signature counted at a time."""


def build(
    verdict: Verdict,
    steps: tuple[Step, ...],
    audience: ExecutorId,
    now: datetime,
    entropy: Entropy,
    within: timedelta = LIFETIME,
) -> Warrant:
    """The warrant of a permit, with the gate's own steps, what is owed beside them, and a fresh nonce.

    Its steps may begin `within` that time from now, and as much later as a canary of it must soak.

    Raises:
        Denied: the verdict is not a permit; nothing else becomes a warrant.
    """
    if verdict.decision is not Decision.PERMIT:
        raise Denied(f"a verdict of `{verdict.decision.value}` becomes no warrant; only a permit does")
    return Warrant(
        installation=verdict.installation,
        incident=verdict.incident,
        proposal=verdict.proposal,
        verdict=verdict.digest,
        bundle=verdict.bundle,
        facts=verdict.facts,
        read_set=verdict.read_set,
        snapshot=verdict.snapshot,
        site=verdict.site,
        lane=verdict.lane,
        steps=steps,
        approvals=verdict.approvals,
        audience=audience,
        issued_at=now,
        not_before=now,
        expires_at=now + within + timedelta(seconds=soak_seconds(verdict.obligations)),
        nonce=entropy(16).hex(),
        obligations=verdict.obligations,
    )


def read_warrant(envelope: bytes, ring: KeyRing, audience: ExecutorId, installation: InstallationId) -> Warrant:
    """The warrant in `envelope`, signed by a gate's key and meant for this executor; whatever the time.

    Raises:
        Denied: signature, form, installation or audience do not hold.
        NewerRecord: a newer gate wrote it.
    """
    payload = dsse.open_envelope(envelope, PAYLOAD_TYPE, ring).payload
    warrant = _payload(payload)
    if warrant.canonical() != payload:
        raise Denied("the warrant is not in canonical form; its digest would be ambiguous")
    if warrant.installation != installation:
        raise Denied(f"the warrant is for installation `{warrant.installation}`, this one is `{installation}`")
    if warrant.audience != audience:
        raise Denied(f"the warrant is for executor `{warrant.audience}`, this one is `{audience}`")
    return warrant


async def as_issued(
    envelope: bytes, ledger: Ledger, rings: RingAt, audience: ExecutorId, installation: InstallationId
) -> Warrant:
    """`read_warrant`, if the ledger says that the gate issued this very envelope, under the keys of that time.

    A gate's key that was stolen is of no use without its ledger; one that was replaced still carries what it signed.

    Raises:
        Denied: as `read_warrant`; or the ledger holds no such warrant.
        NewerRecord: a newer gate wrote it.
        RetryLater: the ledger is out of reach.
    """
    stated = _payload(dsse.stated_payload(envelope))
    entry = await ledger.find(issued_key(stated.proposal))
    if entry is None or entry.body.get("envelope") != envelope.decode():
        raise Denied("the ledger does not say that this warrant was issued; was the gate's key stolen?")
    return read_warrant(envelope, rings(entry.at), audience, installation)


def check_in_force(warrant: Warrant, now: datetime, max_skew: timedelta = skews.MOST) -> None:
    """Refuse a start outside the warrant's time. The skew forgives a slow clock, and never lengthens the warrant."""
    earliest = max(warrant.not_before, warrant.issued_at) - max_skew
    if now < earliest:
        ahead = (warrant.issued_at - now).total_seconds()
        why = f"the warrant starts {ahead:.0f} s from now; check the clocks of gate and executor"
        raise Skewed(why, f"the gate, against that of executor {warrant.audience}", int(ahead))
    if now >= warrant.expires_at:
        given = int((warrant.expires_at - warrant.issued_at).total_seconds())
        raise Denied(
            f"the warrant expired at {warrant.expires_at.isoformat()}: what was approved in time was to begin within "
            f"{given} s; propose again"
        )


def _payload(payload: bytes) -> Warrant:
    try:
        return Warrant.read(payload)
    except BadInput as error:
        raise Denied(f"the payload is no warrant: {error}") from error
