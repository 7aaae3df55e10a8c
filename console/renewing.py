"""`placet rotate` while the installation runs: the administrator's part, spoken through the front door.

The new key is enrolled, its process takes it (`console.successions`) and says so in the ledger, both verify for a
while, and the old one is ended. Interrupted at any point, the same command goes on where it was.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from console import rotating, successions
from console.door.client import DoorClient
from console.door.commands import Control, Diagnose, Set
from console.rotating import Rotated, Rotation
from estate.canonical import Json
from estate.errors import BadInput, Denied, RetryLater
from policies.signing.port import Signer

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How long both keys verify once the new one signs, and how long its process may take to take it."""

    overlap_seconds: float = 10.0
    within_seconds: float = 60.0


async def renew(rotation: Rotation, client: DoorClient, pace: Pace) -> Rotated:
    """Put a new key in the place of the old one, with everything up.

    Raises:
        BadInput: it is a key of a service, or the first second one of a role, which need the installation stopped.
        Denied: the speaker is no administrator.
        RetryLater: its process has not taken the new key in that time.
    """
    if rotation.is_remote:
        raise BadInput("a key in a key service is replaced with everything stopped; add `--stopped`")
    if rotation.second and not (rotation.path.exists() or rotation.old.exists()):
        raise BadInput("the first second key of a role is made with everything stopped; add `--stopped`")
    made, old = await asyncio.to_thread(_keys, rotation)
    await _say(client, rotation, made, revoked=False)
    until = await _taken(client, rotation, made, pace)
    if rotation.next.exists():  # its process runs on a directory of its own
        await asyncio.to_thread(_taken_here, rotation, made, old, until)
    await asyncio.sleep(pace.overlap_seconds)
    await _say(client, rotation, old, revoked=True)
    rotation.old.unlink(missing_ok=True)
    return Rotated(made.key_id, old.key_id)


def _keys(rotation: Rotation) -> tuple[Signer, Signer]:
    """The new key and the old one; where the new one was taken already, the one that waits to be ended."""
    if rotation.old.exists() and not rotation.next.exists():
        return rotation.kind.load(rotation.path), rotation.kind.load(rotation.old)
    made, old = rotating.keys(rotation)
    assert old is not None, "every installation was made with a key for it"
    return made, old


def _taken_here(rotation: Rotation, made: Signer, old: Signer, until: int | None) -> None:
    if rotation.role == "ledger":
        rotating.write_verifier_keys(rotation.installation, made, old, None if rotation.second else until)
    successions.take(rotation.path)


async def _say(client: DoorClient, rotation: Rotation, key: Signer, *, revoked: bool) -> None:
    envelope = rotating.word(rotation, key, datetime.now(UTC), revoked=revoked)
    reply = await client.call(Set(control=Control.ENROLMENT, envelope=envelope.decode()))
    if not reply.ok:
        raise Denied(reply.message)


async def _taken(client: DoorClient, rotation: Rotation, made: Signer, pace: Pace) -> int | None:
    """Once its process says that it signs with the new key: of a ledger's, up to which size the old one did."""
    name = successions.name_of(rotation.role, rotation.second)
    try:
        async with asyncio.timeout(pace.within_seconds):
            while (told := await _said(client, name)).get("key") != made.key_id:  # noqa: ASYNC110 - another's news
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError as error:
        raise RetryLater(
            f"the {rotation.role} has not taken its new key `{made.key_id}` within {pace.within_seconds:g} s; where it "
            f"runs apart, `placet issue {rotation.role}` and bring `keys/{rotation.next.name}` to its directory, then "
            "say this again"
        ) from error
    until = told.get("until")
    return until if isinstance(until, int) else None


async def _said(client: DoorClient, role: str) -> dict[str, Json]:
    reply = await client.call(Diagnose())
    if not reply.ok or not isinstance(reply.result, dict):
        raise Denied(reply.message)
    keys = reply.result.get("keys")
    found = keys.get(role) if isinstance(keys, dict) else None
    return found if isinstance(found, dict) else {}
