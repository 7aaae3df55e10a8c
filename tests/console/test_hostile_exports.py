"""Somebody who can write in an export, against whoever verifies it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from console.cli import verification
from console.cli.invocations import Output
from policies.ledger import tiles
from policies.ledger.leaves import install_origin
from policies.ledger.memory import MemoryLedger
from policies.ledger.merkle import Head
from policies.ledger.notes import Checkpoint, Notary
from policies.ledger.port import Draft, EntryKind
from policies.ledger.signing import Signing
from policies.ledger.verifier_keys import ledger_key
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, START, TestEntropy, subject

SIGNER = MemorySigner.generate(TestEntropy("ledger"))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of three commands, with its key beside it."""
    file = tmp_path / "ledger.export"
    file.write_bytes(asyncio.run(_exported()))
    (tmp_path / "ledger.vkey").write_text(str(ledger_key(INSTALLATION, SIGNER.public_key)))
    return file


async def _exported() -> bytes:
    ledger = MemoryLedger(INSTALLATION, signing=Signing.of(INSTALLATION, SIGNER))
    for number in range(3):
        await ledger.append(Draft(EntryKind.COMMANDED, START, subject(), {"says": f"command {number}"}, f"c:{number}"))
    return b"".join([line async for line in ledger.export()])


def test_a_body_that_was_taken_out_is_told(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The law may ask that bodies are erased, so it is no fault; but nobody removes one unnoticed."""
    assert verification.report(verification.Asked(export), Output.JSON) == 0
    assert "without their body" not in capsys.readouterr().err
    lines = export.read_bytes().splitlines(keepends=True)
    form = json.loads(lines[2])
    assert "command 1" in json.dumps(form)
    lines[2] = json.dumps(form | {"content": None}, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    export.write_bytes(b"".join(lines))
    assert verification.report(verification.Asked(export), Output.JSON) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["without_body"] == 1
    assert "1 entries came without their body" in told.err


def test_a_line_without_end_is_a_fault_and_not_a_full_memory(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verification, "LONGEST_LINE", 4096)
    whole = export.read_bytes()
    export.write_bytes(whole.replace(b"command 1", b"x" * 8192))
    assert verification.report(verification.Asked(export), Output.JSON) == 1
    assert "entry 1" in capsys.readouterr().err


def test_every_broken_entry_is_told_and_not_the_first_alone(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = export.read_bytes()
    export.write_bytes(whole.replace(b"command 0", b"command 8").replace(b"command 2", b"command 9"))
    assert verification.report(verification.Asked(export), Output.JSON) == 1
    told = capsys.readouterr()
    assert [fault.split(" of ")[0] for fault in json.loads(told.out)["faults"]] == ["entry 0", "entry 2"]
    assert told.err.count("the body was changed") == 2


def test_a_folder_and_what_somebody_kept_are_checked_by_the_same_command(export: Path, tmp_path: Path) -> None:
    """Tiles carry no bodies, and a checkpoint that was kept convicts another history."""
    folder = tmp_path / "tiles"
    for path, data in tiles.of_export(export.read_bytes().splitlines(keepends=True)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    key = (export.with_suffix(".vkey"),)
    assert verification.report(verification.Asked(folder, key, (folder,)), Output.JSON) == 0
    assert verification.report(verification.Asked(export, key, (folder,)), Output.JSON) == 0
    other = Notary(INSTALLATION, SIGNER).sign(Checkpoint(install_origin(INSTALLATION), Head(2, bytes(32))))
    (tmp_path / "2.checkpoint").write_text(other)
    for asked in (export, folder):
        assert verification.report(verification.Asked(asked, key, (tmp_path / "2.checkpoint",)), Output.JSON) == 1
