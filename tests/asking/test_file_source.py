"""Files of clouds and machines: read when they change, as old as they are, never half."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from tests.asking.hearing import HASTE, listening, now
from tests.payloads.samples import SAMPLES
from tools.inventory.asking.files import FileSource
from tools.inventory.asking.settings import Text, WatchedFile
from tools.inventory.port import Heard
from tools.payloads.facts.statements import Price, Quota
from tools.payloads.formats import FACTS

SPOT = SAMPLES["cloud", "spot prices"]


def write(path: Path, text: str, seconds: int) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.utime(beside, (seconds, seconds))
    beside.rename(path)


def cloud(path: Path, id: str = "spot", region: str = "") -> WatchedFile:
    return WatchedFile(id=id, path=path, format=Text.CLOUD, region=region)


def prices(heard: Heard) -> list[int]:
    return [f.micros for f in heard.facts if isinstance(f, Price)]


async def test_a_price_list_is_as_old_as_its_file_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "spot.json"
    write(path, SPOT, 1_000_000_000)
    async with listening(FileSource([cloud(path)], now, HASTE)) as ear:
        first = await ear.until(lambda h: bool(h.facts))
        assert prices(first) == [31234500]
        assert {f.witness.at for f in first.facts} == {datetime.fromtimestamp(1_000_000_000, UTC)}
        write(path, SPOT.replace("31.234500", "29"), 1_000_000_100)
        assert prices(await ear.until(lambda h: bool(h.facts))) == [29000000]


async def test_a_file_that_is_half_written_loses_nothing_and_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "spot.json"
    write(path, SPOT, 1_000_000_000)
    async with listening(FileSource([cloud(path)], now, HASTE)) as ear:
        await ear.until(lambda h: bool(h.facts))
        write(path, SPOT[:40], 1_000_000_001)
        broken = await ear.until(lambda h: bool(h.failure))
        assert "not JSON" in broken.failure
        (standing,) = ear.standings.values()
        assert standing.heard_at is not None
        assert standing.failing_since is not None
        write(path, SPOT, 1_000_000_002)
        assert prices(await ear.until(lambda h: bool(h.facts))) == [31234500]


async def test_a_missing_file_says_so_and_costs_no_other(tmp_path: Path) -> None:
    here = tmp_path / "quota.json"
    write(here, json.dumps({"quotas": [{"metric": "NVIDIA_H100_GPUS", "limit": 8, "usage": 8}]}), 1_000_000_000)
    files = [cloud(tmp_path / "gone.json", "gone"), cloud(here, region="europe-west4")]
    async with listening(FileSource(files, now, HASTE)) as ear:
        await ear.until(lambda _: {bool(h.failure) for h in ear.heard} == {True, False})
        gone = [s for s in ear.standings.values() if s.failure]
    (quota,) = [f for h in ear.heard for f in h.facts if isinstance(f, Quota)]
    assert quota.subject.value == "europe-west4/NVIDIA_H100_GPUS"
    assert "No such file" in gone[0].failure
    assert [s.heard_at for s in gone] == [None]


def test_every_format_of_facts_may_be_named_and_no_other() -> None:
    assert {text.value for text in Text} == set(FACTS)
