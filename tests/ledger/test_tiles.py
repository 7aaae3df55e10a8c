"""Logs as static tiles: the layout that the standard prints, and what becomes of a changed file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from estate.errors import BadInput
from policies.ledger import tiles
from policies.ledger.leaves import install_origin, tenant_origin
from policies.ledger.memory import MemoryLedger
from policies.ledger.merkle import Frontier
from policies.ledger.verifier_keys import ledger_key
from policies.ledger.verifying import verify
from tests.builders import INSTALLATION, TestEntropy
from tests.ledger.conftest import SIGNER, SIGNING, TENANTS, draft

KEY = ledger_key(INSTALLATION, SIGNER.public_key)
INSTALL = install_origin(INSTALLATION)
ENTRIES = 300
"""One full tile and a partial one."""


async def _export() -> list[bytes]:
    ledger = MemoryLedger(INSTALLATION, signing=SIGNING, entropy=TestEntropy("tiles"))
    for number in range(ENTRIES):
        await ledger.append(draft(f"k:{number}", projections={TENANTS[0]: {}} if number == 0 else {}))
    return [line async for line in ledger.export()]


EXPORT = asyncio.run(_export())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiles on disk."""
    for path, data in tiles.of_export(EXPORT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    return tmp_path


def test_the_tiles_of_a_log_are_those_of_the_standard(folder: Path) -> None:
    found = sorted(p.relative_to(folder / INSTALL).as_posix() for p in (folder / INSTALL).rglob("*") if p.is_file())
    assert found == [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ]
    hashes = (folder / INSTALL / "tile/0/000").read_bytes()
    assert len(hashes) == 8192
    frontier = Frontier()
    for at in range(0, len(hashes), 32):
        frontier, _ = frontier.append(hashes[at : at + 32])
    assert (folder / INSTALL / "tile/1/000.p/1").read_bytes() == frontier.root


def test_a_tile_far_out_is_named_as_the_standard_names_it() -> None:
    (place, _), *_ = tiles._tiled(range(1))
    assert place == "000.p/1"
    assert tiles._place(1234067) == "x001/x234/067"


def test_untouched_tiles_hold_and_say_the_same_as_the_export(folder: Path) -> None:
    report = tiles.verify(folder, [KEY])
    assert report.faults == ()
    exported = {(log.origin, log.size, log.root) for log in verify(EXPORT, [KEY]).logs}
    assert {(log.origin, log.size, log.root) for log in report.logs} == exported
    assert report.keys == (KEY,)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/1/000.p/1", "tile/entries/001.p/44", "checkpoint"])
def test_a_changed_or_missing_file_is_found(folder: Path, path: str) -> None:
    file = folder / INSTALL / path
    data = bytearray(file.read_bytes())
    data[-30] ^= 1
    file.write_bytes(data)
    assert not tiles.verify(folder, [KEY]).holds
    file.unlink()
    if path == "checkpoint":
        with pytest.raises(BadInput, match="no tiles"):
            tiles.verify(folder, [KEY])
    else:
        assert not tiles.verify(folder, [KEY]).holds


def test_a_tenant_s_log_that_was_cut_off_is_found_by_what_was_kept(folder: Path) -> None:
    kept = (folder / tenant_origin(INSTALLATION, TENANTS[0]) / "checkpoint").read_text()
    assert tiles.verify(folder, [KEY], [kept]).holds
    (folder / tenant_origin(INSTALLATION, TENANTS[0]) / "checkpoint").unlink()
    assert "was kept" in str(tiles.verify(folder, [KEY], [kept]).fault)
