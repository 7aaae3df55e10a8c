"""The end: the ledger is exported and verified offline, then one byte of a copy is flipped."""

from __future__ import annotations

import asyncio
from pathlib import Path

from console.demo.narrator import CheckFailed
from console.demo.stage import ADMINISTRATOR, Stage
from console.door.commands import LedgerExport
from policies.ledger.reports import Report
from policies.ledger.verifier_keys import VerifierKey
from policies.ledger.verifying import verify


async def play(stage: Stage, out: Path) -> Report:
    """Export, verify, flip, verify again. The report of the export that holds."""
    stage.narrator.act("The audit", "An outsider gets the exported ledger and a public key, and trusts nothing else.")
    file, key = out / "ledger.export", out / "ledger.vkey"
    await _export(stage, file)
    key.write_bytes((stage.state.root / "ledger.vkey").read_bytes())
    report = await asyncio.to_thread(_verified, file, key)
    stage.narrator.check(
        f"the export of {report.entries} entries in {len(report.logs)} logs verifies offline",
        report.holds,
        str(report.fault),
    )
    flipped = out / "ledger.flipped"
    await asyncio.to_thread(_flip, file, flipped)
    forged = await asyncio.to_thread(_verified, flipped, key)
    named = forged.fault is not None and forged.fault.index is not None
    stage.narrator.says("auditor", f"of a copy with one byte flipped: {forged.fault}")
    stage.narrator.check("one flipped byte is found, and its entry named", named)
    return report


async def _export(stage: Stage, file: Path) -> None:
    door = stage.door(ADMINISTRATOR)
    reply = await door.ask(LedgerExport())
    if reply.spooled is None:
        raise CheckFailed(f"the console gave no export: {reply.message}")
    data = b"".join([part async for part in door.parts(reply.spooled)])
    await asyncio.to_thread(file.write_bytes, data)


def _verified(file: Path, key: Path) -> Report:
    with file.open("rb") as lines:
        return verify(lines, VerifierKey.parse_all(key.read_text()))


def _flip(file: Path, copy: Path) -> None:
    """Flip one bit in the middle of the file's middle line."""
    lines = file.read_bytes().splitlines(keepends=True)
    middle = bytearray(lines[len(lines) // 2])
    middle[len(middle) // 2] ^= 0x01
    lines[len(lines) // 2] = bytes(middle)
    copy.write_bytes(b"".join(lines))
