"""Logs that grow: every whole line once, through rotation and truncation, and nothing that tells nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.asking.hearing import HASTE, Ear, listening, now
from tools.inventory.asking.logs import BODY, LogSource
from tools.inventory.asking.places import Places
from tools.inventory.asking.settings import Log, WatchedLog
from tools.inventory.port import Heard


def xid(number: int) -> str:
    return f"[{number:5}.000000] NVRM: Xid (PCI:0000:17:00): {number}, pid=1, GPU has fallen off the bus.\n"


def told(heard: Heard) -> list[int]:
    return [int(part.partition(b",")[0]) for raw in heard.raw for part in raw.body.split(b"): ")[1:]]


@pytest.fixture
async def ear(tmp_path: Path) -> AsyncIterator[Ear]:
    (tmp_path / "kern.log").write_text(xid(1))
    logs = [WatchedLog(id="kern", path=tmp_path / "kern.log", format=Log.KERNEL, host="gpu-7")]
    async with listening(LogSource(logs, now, HASTE)) as made:
        await made.until(lambda h: not h.failure)
        yield made


def write(path: Path, text: str) -> None:
    with path.open("a") as log:
        log.write(text)


async def test_what_is_written_from_then_on_is_told_once_in_whole_lines(ear: Ear, tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    write(log, f"{xid(2)}[ 2.1] usb 1-1: new device\n{xid(3)[:30]}")
    first = await ear.until(lambda h: bool(h.raw))
    assert told(first) == [2]
    assert first.raw[0].headers["placet-host"] == "gpu-7"
    write(log, xid(3)[30:])
    assert told(await ear.until(lambda h: bool(h.raw))) == [3]
    write(log, "[ 4.0] nothing of ours\n")
    await ear.until(lambda h: not h.raw)
    assert [n for h in ear.heard for n in told(h)] == [2, 3]


async def test_a_log_that_is_rotated_or_cut_loses_no_line(ear: Ear, tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    write(log, xid(2))
    log.rename(tmp_path / "kern.log.1")
    write(tmp_path / "kern.log.1", xid(3))
    write(log, xid(4))
    await ear.until(lambda h: 4 in told(h))
    log.write_text("")
    await ear.until(lambda h: not h.raw)
    write(log, xid(5))
    await ear.until(lambda h: 5 in told(h))
    assert [n for h in ear.heard for n in told(h)] == [2, 3, 4, 5]
    names = [raw.id for h in ear.heard for raw in h.raw]
    assert len(names) == len(set(names))


async def test_a_log_that_goes_away_says_so_and_a_line_without_end_is_a_fault(ear: Ear, tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    write(log, "x" * (BODY + 1))
    await ear.until(lambda h: any("left out" in str(f) for f in h.faults))
    log.unlink()
    write(log, xid(7))
    await ear.until(lambda h: 7 in told(h))


async def test_a_log_that_is_not_there_is_silent_and_read_from_its_beginning_once_it_is(tmp_path: Path) -> None:
    log = tmp_path / "fm.log"
    logs = [WatchedLog(id="fm", path=log, format=Log.FABRIC_MANAGER, host="gpu-7")]
    async with listening(LogSource(logs, now, HASTE)) as made:
        missing = await made.until(lambda h: bool(h.failure))
        assert "No such file" in missing.failure
        write(log, "[Feb 25 2025 13:59:45] [ERROR] [tid 1808] detected NVSwitch fatal error 20034 on fid 0\n")
        found = await made.until(lambda h: bool(h.raw))
    assert found.raw[0].format == "fabric-manager"


def watched(path: Path) -> list[WatchedLog]:
    return [WatchedLog(id="kern", path=path, format=Log.KERNEL, host="gpu-7")]


async def settled(path: Path, places: Places, last: int) -> list[int]:
    """What a run of the source tells until it has told that line; what intake has is confirmed."""
    async with listening(LogSource(watched(path), now, HASTE, places)) as ear:
        await ear.until(lambda h: last in told(h) if last else not h.failure)
        for heard in ear.heard:
            if heard.taken is not None:
                heard.taken()
    return [n for h in ear.heard for n in told(h)]


@pytest.mark.parametrize("rotation", ["none", "renamed", "renamed twice", "copied and cut", "cut"])
async def test_over_a_restart_no_line_is_lost_and_none_is_told_twice(tmp_path: Path, rotation: str) -> None:
    """Whatever is done to a log while nobody reads it, as far as its bytes are still there."""
    path, places = tmp_path / "kern.log", Places(tmp_path / "places")
    write(path, xid(1))
    assert await settled(path, places, 0) == []
    write(path, xid(2))
    assert await settled(path, places, 2) == [2]
    write(path, xid(3))
    match rotation:
        case "renamed":
            path.rename(tmp_path / "kern.log.1")
        case "renamed twice":
            path.rename(tmp_path / "kern.log.2")
            write(tmp_path / "kern.log.1", xid(4))
        case "copied and cut":
            (tmp_path / "kern.log.1").write_bytes(path.read_bytes())
            path.write_text("")
        case "cut":
            path.write_text("")
        case _:
            pass
    write(path, xid(5))
    expected = {"renamed twice": [3, 4, 5], "cut": [5]}.get(rotation, [3, 5])
    assert await settled(path, places, 5) == expected
    write(path, xid(6))
    assert await settled(path, places, 6) == [6]


async def test_what_intake_never_had_is_told_again_and_a_broken_place_costs_no_more(tmp_path: Path) -> None:
    path, places = tmp_path / "kern.log", Places(tmp_path / "places")
    write(path, xid(1))
    await settled(path, places, 0)
    write(path, xid(2))
    for _ in range(2):
        async with listening(LogSource(watched(path), now, HASTE, places)) as ear:
            await ear.until(lambda h: 2 in told(h))
    assert await settled(path, places, 2) == [2]
    (place,) = (tmp_path / "places").iterdir()
    place.write_text("{")
    write(path, xid(3))
    assert await settled(path, places, 0) == []
    write(path, xid(4))
    assert await settled(path, places, 4) == [4]


async def test_a_log_that_is_cut_and_outgrows_itself_between_two_looks_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    write(path, xid(1))
    async with listening(LogSource(watched(path), now, HASTE)) as ear:
        await ear.until(lambda h: not h.failure)
        write(path, xid(2))
        await ear.until(lambda h: 2 in told(h))
        path.write_text(xid(3) + xid(4) + xid(5))
        assert told(await ear.until(lambda h: 5 in told(h))) == [3, 4, 5]
