"""A process that restarts knows the estate at once, and knows that it may be old until the stream has come to it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from estate.errors import RetryLater
from estate.ids import InstallationId
from estate.subjects import Subjects
from tests import builders
from tests.inventory.following import ENVELOPE, change, running, send, until, verify, version, whole
from tools.bus.port import Bus
from tools.inventory.columns import files
from tools.inventory.columns.engine import Inventory
from tools.inventory.follower import Follower
from tools.inventory.resuming import Shelf

CORDONED = builders.node("eu-a1").model_copy(update={"cordoned": True})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "estates" / "agent.columns"


def save(path: Path, installation: InstallationId, sequence: int, envelope: str = ENVELOPE.decode()) -> None:
    """A file as a follower leaves it that has come to that version."""
    inventory = Inventory(builders.facts())
    inventory.follow(whole(installation, sequence), inventory.facts, "deltas")
    path.parent.mkdir(exist_ok=True)
    files.save(path, inventory, version(installation, sequence), envelope)


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


async def test_a_restart_resumes_where_the_stream_goes_on(
    bus: Bus, installation: InstallationId, subjects: Subjects, path: Path
) -> None:
    """Nothing that was known is read again: the whole estate of the same version is passed over."""
    save(path, installation, 4)
    follower = Follower(bus, subjects, verify, Shelf(path))
    async with running(follower.run()):
        resumed = await follower.ready()
        assert (resumed.version, resumed.node(CORDONED.id)) == (version(installation, 4), builders.default_nodes()[0])
        assert follower.stale is not None
        assert "read from a file" in follower.stale
        await send(bus, subjects, whole(installation, 4))
        await until(follower.newest, lambda _: follower.stale is None)
        assert follower.newest() is resumed
        await send(bus, subjects, change(installation, 5, CORDONED))
        await follower.reached(version(installation, 5))
        assert follower.newest().node(CORDONED.id) == CORDONED
    assert files.load(path, lambda _: builders.facts()).version == version(installation, 5)


async def test_a_file_that_the_stream_has_left_behind_is_stale_until_a_whole_estate(
    bus: Bus, installation: InstallationId, subjects: Subjects, path: Path
) -> None:
    save(path, installation, 1)
    follower = Follower(bus, subjects, verify, Shelf(path, every=timedelta(0)))
    async with running(follower.run()):
        await follower.ready()
        await send(bus, subjects, change(installation, 3, CORDONED))
        await until(follower.newest, lambda _: "gap" in (follower.stale or "") or "file" in (follower.stale or ""))
        assert follower.newest().version == version(installation, 1)
        await send(bus, subjects, whole(installation, 3, nodes=(CORDONED,), workloads=()))
        assert (await follower.reached(version(installation, 3))).node(CORDONED.id) == CORDONED
        assert follower.stale is None
        await until(follower.newest, lambda _: files.load(path, lambda _: builders.facts()).version.sequence == 3)


@pytest.mark.parametrize("fault", ["damaged", "forged", "another"])
async def test_a_file_that_cannot_be_used_costs_nothing_but_time(
    bus: Bus, installation: InstallationId, subjects: Subjects, path: Path, fault: str
) -> None:
    """Facts are verified like any others: whoever writes the file cannot make law."""
    forged = builders.facts(author="mallory").canonical().decode()
    another = InstallationId("another")
    save(path, another if fault == "another" else installation, 9, forged if fault == "forged" else ENVELOPE.decode())
    if fault == "damaged":
        damage(path)
    follower = Follower(bus, subjects, verify, Shelf(path))
    await send(bus, subjects, whole(installation, 2))
    async with running(follower.run()):
        with suppress(RetryLater):
            assert follower.newest().version == version(installation, 2)
        assert (await follower.ready()).version == version(installation, 2)
    assert files.load(path, lambda _: builders.facts()).version == version(installation, 2)
