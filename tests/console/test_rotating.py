"""A new key for gate and ledger: what the old one signed stands, and nothing that it signs later.

On a real state directory and a real SQLite ledger, as `placet rotate` leaves them.
"""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console import config, identities, initialising, successions
from console.composing import ledgers
from console.installations import Installation
from console.rotating import Rotated, Rotation, rotate
from console.state import StateDirectory
from estate.errors import BadInput, Denied
from estate.ids import ExecutorId, InstallationId
from estate.warrants import PAYLOAD_TYPE, Warrant
from policies import recording, warrants
from policies.enrolments import Enrolments
from policies.ledger import verifying
from policies.ledger.port import Draft, EntryKind
from policies.ledger.signing import Signing
from policies.ledger.sqlite import SqliteLedger
from policies.ledger.verifier_keys import VerifierKey
from policies.signing.files import FileSigner
from policies.signing.port import Signer
from policies.signing.sealing import seal
from tests.builders import INSTALLATION
from tests.execution.rig import AUDIENCE, warrant


@dataclass
class Whole:
    """An installation that nothing runs on."""

    state: StateDirectory
    installation: Installation

    async def rotate(self, role: str, *, second: bool = False, who: str | None = None) -> Rotated:
        speaker = identities.load(self.state, who)
        async with AsyncExitStack() as stack:
            archive = await ledgers.opened(self.installation, stack)
            return await rotate(Rotation(self.installation, speaker, role, second), archive, datetime.now(UTC))

    async def append(self, *drafts: Draft) -> None:
        ledger = await SqliteLedger.open(self.state.ledger_path, INSTALLATION)
        for draft in drafts:
            await ledger.append(draft)
        await ledger.close()

    async def issue(self, nonce: str, *signers: Signer) -> bytes:
        """A warrant that the ledger says was issued now, sealed with these keys."""
        number = int(nonce, 16) + 1
        given = warrant(nonce=nonce * 32, proposal=f"sha256:{number:064x}", issued_at=datetime.now(UTC))
        envelope = seal(given.canonical(), PAYLOAD_TYPE, *signers)
        body: dict[str, Any] = {"envelope": envelope.decode()}
        by, key = recording.gate(INSTALLATION), recording.issued_key(given.proposal)
        await self.append(Draft(EntryKind.ISSUED, datetime.now(UTC), by, body, key))
        return envelope

    async def read(self, envelope: bytes) -> Warrant:
        """As an executor of this installation reads it."""
        ledger = await SqliteLedger.open(self.state.ledger_path, INSTALLATION)
        record = self.installation.record
        enrolments = Enrolments(record.id, record.administrator_key, self.installation.clock)
        await enrolments.load(ledger)
        gate, founding = recording.gate(record.id), self.installation.ring("gate")
        try:
            return await warrants.as_issued(
                envelope,
                ledger,
                lambda at: enrolments.process_ring(gate, founding, at),
                ExecutorId(AUDIENCE),
                INSTALLATION,
            )
        finally:
            await ledger.close()

    async def export(self, *signers: Signer) -> list[bytes]:
        """The export by whoever holds that key; by the installation's own keys where none is given."""
        async with AsyncExitStack() as stack:
            if not signers:
                archive = await ledgers.opened(self.installation, stack)
            else:
                signing = Signing.of(INSTALLATION, signers[0])
                archive = await SqliteLedger.open(self.state.ledger_path, INSTALLATION, signing=signing)
                stack.push_async_callback(archive.close)
            return [line async for line in archive.export()]

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """What an outsider is given."""
        return VerifierKey.parse_all(self.state.ledger_key_path.read_text())


@pytest.fixture
async def whole(tmp_path: Path) -> Whole:
    """Founded, with its first entries."""
    state = StateDirectory(tmp_path / "state")
    initialising.found(state, initialising.Founding(installation=InstallationId("test")), datetime.now(UTC))
    made = Whole(state, Installation.open(state, config.load(state.config_path, {})))
    record = made.installation.record
    founding = Enrolments(record.id, record.administrator_key, made.installation.clock)
    await made.append(founding.admit(record.administrator.encode(), record.created_at).draft(record.created_at))
    return made


async def test_a_replaced_gate_key_carries_what_it_signed_and_nothing_later(whole: Whole) -> None:
    old = whole.installation.signer("gate")
    before = await whole.issue("0", old)
    rotated = await whole.rotate("gate")
    new = whole.installation.signer("gate")
    assert (rotated.old, rotated.new) == (old.key_id, new.key_id)
    assert (await whole.read(before)).nonce == "0" * 32
    assert (await whole.read(await whole.issue("1", new))).nonce == "1" * 32
    with pytest.raises(Denied, match="nobody trusted"):
        await whole.read(await whole.issue("2", old))
    again = await whole.rotate("gate")
    assert again.old == new.key_id
    assert (await whole.read(before)).nonce == "0" * 32
    with pytest.raises(Denied, match="nobody trusted"):
        await whole.read(await whole.issue("3", new))


async def test_a_second_key_is_demanded_from_when_it_was_made(whole: Whole) -> None:
    """Whoever can forge Ed25519 one day still lacks the ML-DSA-44 key."""
    first = whole.installation.signer("gate")
    before = await whole.issue("0", first)
    await whole.rotate("gate", second=True)
    second = whole.installation.second_signer("gate")
    assert second is not None
    assert await whole.read(before)
    assert await whole.read(await whole.issue("1", first, second))
    with pytest.raises(Denied, match="lacks its signature by `mldsa44`"):
        await whole.read(await whole.issue("2", first))
    with pytest.raises(Denied, match="lacks its signature by `ed25519`"):
        await whole.read(await whole.issue("3", second))


async def test_a_replaced_ledger_key_counts_up_to_its_last_checkpoint(whole: Whole) -> None:
    old = FileSigner.load(whole.state.key_path("ledger"))
    (first,) = whole.keys
    await whole.rotate("ledger")
    await whole.append(Draft(EntryKind.COMMANDED, datetime.now(UTC), recording.gate(INSTALLATION), {}, "later"))
    export = await whole.export()
    assert verifying.verify(export, whole.keys).faults == ()
    assert [key.until for key in whole.keys] == [1, None]
    assert whole.keys[0].public_key == first.public_key
    forged = await whole.export(old)
    assert verifying.verify(forged, [first]).holds, "who was never told of the new key cannot know"
    assert "key was replaced before it" in str(verifying.verify(forged, whole.keys).fault)
    assert initialising.found(whole.state, initialising.Founding(), datetime.now(UTC)).made == []
    assert len(whole.keys) == 2


async def test_a_second_ledger_key_signs_every_new_checkpoint(whole: Whole) -> None:
    await whole.rotate("ledger", second=True)
    export = await whole.export()
    report = verifying.verify(export, whole.keys)
    assert report.faults == ()
    assert len(report.keys) == 2
    alone = await whole.export(FileSigner.load(whole.state.key_path("ledger")))
    assert verifying.verify(alone, whole.keys[:1]).holds
    assert "second signature" in str(verifying.verify(alone, whole.keys).fault)


async def test_an_interrupted_rotation_goes_on_with_the_same_key(whole: Whole) -> None:
    rotation = Rotation(whole.installation, identities.load(whole.state, None), "gate")
    planned = FileSigner.create(rotation.next)
    assert (await whole.rotate("gate")).new == planned.key_id
    assert not rotation.next.exists()


async def test_only_an_administrator_replaces_a_key_and_only_of_gate_or_ledger(whole: Whole) -> None:
    identities.make(whole.state, "mallory")
    with pytest.raises(Denied, match="nobody trusted"):
        await whole.rotate("gate", who="mallory")
    with pytest.raises(BadInput, match="no key that is rotated here"):
        await whole.rotate("facts")


async def test_a_key_of_a_service_takes_the_place_of_a_file(whole: Whole, tmp_path: Path) -> None:
    """securesystemslib's own file signer stands for the service: the same port, another process's key."""
    outside = FileSigner.create(tmp_path / "outside.key")
    remote = {"uri": f"file2:{tmp_path / 'outside.key'}", "public_key": base64.b64encode(outside.public_key).decode()}
    settings = whole.installation.config.model_validate({"remote_keys": {"gate": remote}})
    served = Whole(whole.state, Installation.open(whole.state, settings))
    rotated = await served.rotate("gate")
    assert rotated.new == outside.key_id
    assert not whole.state.key_path("gate").exists()
    assert await served.read(await served.issue("1", served.installation.signer("gate")))


async def test_what_a_rotation_that_was_broken_off_left_verifying_is_ended_too(whole: Whole) -> None:
    """Its process took the new key, and the administrator never came back to end the old one."""
    first = whole.installation.signer("gate")
    FileSigner.create(whole.state.next_key_path("gate"))
    successions.take(whole.state.key_path("gate"))
    second = whole.installation.signer("gate")
    assert (await whole.rotate("gate")).old == second.key_id
    assert not whole.state.old_key_path("gate").exists()
    for gone in ("0", first), ("1", second):
        with pytest.raises(Denied, match="nobody trusted"):
            await whole.read(await whole.issue(*gone))
