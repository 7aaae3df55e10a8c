"""`placet witness` as it runs: another process with a key and a memory of its own, killed and started again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from policies.ledger import verifying
from policies.ledger.http_witnesses import HttpWitness
from policies.ledger.port import EntryKind
from policies.ledger.signing import Signing
from policies.ledger.sqlite import SqliteLedger
from policies.ledger.verifier_keys import VerifierKey, ledger_key
from tests import spawning, surroundings
from tests.builders import INSTALLATION
from tests.ledger.conftest import SIGNER, draft
from tests.spawning import Program, Spawned

pytestmark = pytest.mark.processes
LEDGER = ledger_key(INSTALLATION, SIGNER.public_key)


async def started(folder: Path, name: str) -> tuple[Spawned, HttpWitness, VerifierKey]:
    """A witness that answers, and how one reaches it."""
    arguments = ("witness", str(folder), "--log", str(folder.parent / "ledger.vkey"), "--listen", "127.0.0.1:0")
    program = Program("console.cli.main", (*arguments, "--name", name), surroundings.plain(), folder.parent / "stderr")
    process = await spawning.spawn(program)
    key = VerifierKey.parse((await process.stdout.readline()).decode())
    port = await asyncio.wait_for(process.stdout.readline(), 20)
    return process, HttpWitness(f"http://127.0.0.1:{int(port)}", key), key


async def test_a_witness_that_was_killed_remembers_what_it_signed(tmp_path: Path) -> None:
    (tmp_path / "ledger.vkey").write_text(f"{LEDGER}\n")
    process, witness, key = await started(tmp_path / "witness", "witness.example/w1")

    async def exported(witness: HttpWitness, path: str, *keys: str) -> list[bytes]:
        signing = Signing.of(INSTALLATION, SIGNER, witness)
        ledger = await SqliteLedger.open(tmp_path / path, INSTALLATION, signing=signing)
        for name in keys:
            await ledger.append(draft(name, EntryKind.COMMANDED, proposal=None))
        lines = [line async for line in ledger.export()]
        await ledger.close()
        return lines

    assert verifying.verify(await exported(witness, "honest.db", "a", "b"), (LEDGER, key)).holds
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process, witness, again = await started(tmp_path / "witness", "witness.example/w1")
    assert again == key
    assert verifying.verify(await exported(witness, "honest.db", "c"), (LEDGER, key)).holds
    assert not verifying.verify(await exported(witness, "forged.db", "a", "x", "c", "d"), (LEDGER, key)).holds
    assert verifying.verify(await exported(witness, "honest.db", "e", "f"), (LEDGER, key)).holds
    process.send_signal(signal.SIGTERM)
    await process.wait()
