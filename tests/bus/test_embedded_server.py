"""The embedded server: its store survives, nobody shares it, and it dies with its owner."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import sys
import textwrap
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from estate.errors import BadInput, NeverRetry, RetryLater
from estate.subjects import Subjects
from tools.bus.nats import NatsBus
from tools.bus.port import ConsumerSpec, Delivery, StreamSpec, TooLarge
from tools.bus.server import EmbeddedServer, StoreTaken, find_binary
from tools.bus.wire import Credentials

pytestmark = pytest.mark.nats


def work_stream(subjects: Subjects) -> StreamSpec:
    return StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True)


async def test_a_restart_on_the_same_store_keeps_what_was_acknowledged(tmp_path: Path, subjects: Subjects):
    async with EmbeddedServer(tmp_path) as server:
        bus = await NatsBus.connect(server.credentials(), subjects, name="test")
        await bus.declare(work_stream(subjects))
        await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
        await (await bus.bucket("incidents")).put("a", b"1")
        await bus.close()
        await server.stop(kill=True)
    async with EmbeddedServer(tmp_path) as server:
        bus = await NatsBus.connect(server.credentials(), subjects, name="test")
        assert [d.data for d in await bus.replay("WORK")] == [b"x"]
        assert not await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1"), "duplicates are remembered"
        assert await (await bus.bucket("incidents")).keys() == ("a",)
        await bus.close()


async def test_a_call_that_the_servers_death_cut_off_ends_in_words(tmp_path: Path, subjects: Subjects):
    """What still waits for the dead server must not put an error of the event loop in place of ours."""

    async def call() -> None:
        async with EmbeddedServer(tmp_path) as server:
            bus = await NatsBus.connect(server.credentials(), subjects, name="test")
            await server.stop(kill=True)
            try:
                await bus.request(subjects.command("get"), b"x", within=timedelta(seconds=0.5))
            finally:
                await bus.close()

    with pytest.raises(RetryLater, match="no answer on"):
        await call()


async def test_a_second_server_on_one_store_is_refused(tmp_path: Path):
    async with EmbeddedServer(tmp_path):
        with pytest.raises(StoreTaken, match="stop it first"):
            await EmbeddedServer(tmp_path).__aenter__()


async def test_what_it_writes_is_for_its_owner_only(tmp_path: Path):
    async with EmbeddedServer(tmp_path / "nats") as server:
        assert server.url.startswith("nats://127.0.0.1:")
        assert stat.S_IMODE((tmp_path / "nats").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "nats" / "nats.conf").stat().st_mode) == 0o600
        assert "sync_interval: always" in (tmp_path / "nats" / "nats.conf").read_text()
        with pytest.raises(BadInput, match="no NATS user"):
            server.credentials("agent")


async def test_it_dies_with_the_process_that_started_it(tmp_path: Path):
    script = textwrap.dedent(f"""
        import asyncio, pathlib
        from tools.bus.server import EmbeddedServer
        async def main():
            async with EmbeddedServer(pathlib.Path({str(tmp_path)!r})) as server:
                print(server.pid, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
    """)
    root = Path(__file__).parents[2]
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": "."}
    )
    assert owner.stdout is not None
    pid = int(await asyncio.wait_for(owner.stdout.readline(), 20))
    os.kill(pid, 0)
    owner.kill()
    await owner.wait()
    async with asyncio.timeout(5):
        while alive(pid):  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.02)
    async with EmbeddedServer(tmp_path):
        pass


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_a_consumer_and_publishers_outlive_the_servers_crash(tmp_path: Path, subjects: Subjects):
    seen: list[str] = []

    async def handler(delivery: Delivery) -> None:
        seen.append(delivery.message_id)

    server = await EmbeddedServer(tmp_path).__aenter__()
    port = int(server.url.rpartition(":")[2])
    bus = await NatsBus.connect(server.credentials(), subjects, name="test")
    await bus.declare(work_stream(subjects))
    task = asyncio.create_task(bus.consume(ConsumerSpec("WORK", "worker"), handler))
    following: list[str] = []

    async def follow() -> None:
        async for stored in (await bus.bucket("incidents")).watch():
            following.append(stored.key)

    watching = asyncio.create_task(follow())

    async def publish(number: int) -> None:
        while True:
            try:
                await bus.publish(subjects.case("eu", "opened"), b"x", message_id=f"m{number}")
                return
            except RetryLater:
                await asyncio.sleep(0.1)

    async def publish_all() -> None:
        for number in range(200):
            await publish(number)

    publishing = asyncio.create_task(publish_all())
    await asyncio.sleep(0.1)
    await server.stop(kill=True)
    await asyncio.sleep(0.3)
    async with EmbeddedServer(tmp_path, port=port):
        await asyncio.wait_for(publishing, 30)
        async with asyncio.timeout(30):
            while await bus.replay("WORK"):  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.05)
        await (await bus.bucket("incidents")).put("late", b"1")
        async with asyncio.timeout(10):
            while following != ["late"]:  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.05)
        assert sorted(set(seen)) == sorted(f"m{n}" for n in range(200)), "nothing is lost"
        for running in (task, watching):
            running.cancel()
        await asyncio.wait([task, watching])
        await bus.close()


async def test_a_follower_reads_anew_when_the_server_comes_back_with_less(tmp_path: Path, subjects: Subjects):
    """As after a power loss without `sync_interval: always`: its position would lie beyond all that comes."""
    server = await EmbeddedServer(tmp_path, sync_always=False).__aenter__()
    bus, seen = await NatsBus.connect(server.credentials(), subjects, name="test"), []
    deltas = StreamSpec("DELTAS", (subjects.delta(),), work_queue=False)
    await bus.declare(deltas)
    for number in range(3):
        await bus.publish(subjects.delta(), b"before", message_id=f"m{number}")

    async def follow() -> None:
        async for delivery in bus.follow("DELTAS"):
            seen.append(delivery.data)

    following = asyncio.create_task(follow())
    async with asyncio.timeout(10):
        while len(seen) < 3:  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.02)
    await server.stop()
    shutil.rmtree(tmp_path / "store")
    async with EmbeddedServer(tmp_path, port=int(server.url.rpartition(":")[2]), sync_always=False) as again:
        other = await NatsBus.connect(again.credentials(), subjects, name="other")
        await other.declare(deltas)
        await other.publish(subjects.delta(), b"after", message_id="n1")
        async with asyncio.timeout(20):
            while b"after" not in seen:  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.05)
        following.cancel()
        await asyncio.wait([following])
        await other.close()
        await bus.close()


def test_an_old_server_is_refused_before_it_is_started(tmp_path: Path):
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho 'nats-server: v2.9.10'\n")
    old.chmod(0o755)
    with pytest.raises(BadInput, match=r"v2\.9\.10.*use 2\.10 or newer"):
        find_binary(old)
    with pytest.raises(BadInput, match="no nats-server at"):
        find_binary(tmp_path / "missing")


async def test_a_server_that_cannot_start_says_where_to_look(tmp_path: Path):
    broken = tmp_path / "nats-server"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'nats-server: v2.15.1' || exit 3\n")
    broken.chmod(0o755)
    with pytest.raises(NeverRetry, match=r"exited with 3.*nats\.log"):
        await EmbeddedServer(tmp_path / "state", binary=broken).__aenter__()


async def test_an_old_server_elsewhere_is_refused_at_connect(subjects: Subjects):
    async def old_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"headers":true}\r\n')
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    listener = await asyncio.start_server(old_server, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(BadInput, match=r"2\.9\.10.*use 2\.10 or newer"):
            await NatsBus.connect(Credentials(f"nats://127.0.0.1:{port}"), subjects, name="test")


async def test_nobody_there_is_an_error_that_may_pass_and_comes_soon(subjects: Subjects, unused_port: int):
    async with asyncio.timeout(3):
        with pytest.raises(RetryLater, match="no NATS server at"):
            await NatsBus.connect(Credentials(f"nats://127.0.0.1:{unused_port}"), subjects, name="test")


@pytest.fixture
async def unused_port() -> int:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = int(listener.sockets[0].getsockname()[1])
    listener.close()
    await listener.wait_closed()
    return port


async def test_headers_count_towards_the_servers_limit(nats_server: EmbeddedServer, subjects: Subjects):
    """nats-py does not count them, and the server closes the connection over them."""
    bus = await NatsBus.connect(nats_server.credentials(), subjects, name="test", max_bytes=2**20)
    await bus.declare(work_stream(subjects))
    with pytest.raises(TooLarge):
        await bus.publish(subjects.case("eu", "opened"), b"x" * (2**20 - 10), message_id="m1")
    assert await bus.publish(subjects.case("eu", "opened"), b"x" * (2**20 - 200), message_id="m1")
    await bus.close()


async def test_a_lost_connection_is_noticed_and_healed(tmp_path: Path, subjects: Subjects):
    async with EmbeddedServer(tmp_path, sync_always=False) as server:
        bus = await NatsBus.connect(server.credentials(), subjects, name="test")
        await bus.declare(work_stream(subjects))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(RetryLater):
            await bus.request(subjects.command("get"), b"", within=timedelta(milliseconds=200))
        os.kill(server.pid, signal.SIGCONT)
        assert await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
        await bus.close()
