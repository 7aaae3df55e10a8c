"""What every Bus promises of signals, requests, keys and leases, on the memory adapter and on a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from estate.errors import BadInput, RetryLater
from estate.subjects import Subjects
from tests.bus.consuming import until
from tools.bus.port import (
    Bus,
    Conflict,
    Stored,
    TooLarge,
)

type Connect = Callable[[], Awaitable[Bus]]


async def test_signals_reach_whoever_listens_now(connect: Connect, bus: Bus, subjects: Subjects):
    other, heard = await connect(), []

    async def listen() -> None:
        async for subject, data in other.listen(subjects.progress("*")):
            heard.append((subject, data))

    task = asyncio.create_task(listen())
    async with asyncio.timeout(5):
        while not heard:
            await bus.signal(subjects.progress("i1"), b"working")
            await asyncio.sleep(0.02)
    assert heard[0] == (subjects.progress("i1"), b"working")
    task.cancel()
    await asyncio.wait([task])


async def test_a_request_gets_an_answer_and_silence_is_an_error(connect: Connect, bus: Bus, subjects: Subjects):
    door, within = await connect(), timedelta(milliseconds=300)

    async def answer(data: bytes, _: object) -> bytes:
        if data == b"hang":
            await asyncio.sleep(5)
        if data == b"fail":
            raise ValueError("secret")
        return data.upper()

    with pytest.raises(RetryLater):
        await bus.request(subjects.command("get"), b"x", within=within)
    await door.respond(subjects.command("*"), answer, queue="door")
    assert await bus.request(subjects.command("get"), b"hello", within=within) == b"HELLO"
    with pytest.raises(RetryLater, match="in time"):
        await bus.request(subjects.command("get"), b"hang", within=within)
    with pytest.raises(RetryLater) as caught:
        await bus.request(subjects.command("get"), b"fail", within=within)
    assert "secret" not in str(caught.value)


async def test_one_member_of_a_queue_gets_each_request(connect: Connect, bus: Bus, subjects: Subjects):
    counts = {"one": 0, "two": 0}
    for name in counts:

        async def answer(_: bytes, __: object, name: str = name) -> bytes:
            counts[name] += 1
            return name.encode()

        await (await connect()).respond(subjects.command("get"), answer, queue="door")
    for _ in range(40):
        await bus.request(subjects.command("get"), b"", within=timedelta(seconds=2))
    assert sum(counts.values()) == 40


async def test_of_two_writers_of_a_key_one_gets_a_conflict(connect: Connect, bus: Bus):
    one, other = await bus.bucket("incidents"), await (await connect()).bucket("incidents")
    assert await one.get("a") is None
    first = await one.create("a", b"1")
    with pytest.raises(Conflict):
        await other.create("a", b"2")
    second = await other.update("a", b"2", first)
    assert second > first
    with pytest.raises(Conflict):
        await one.update("a", b"3", first)
    found = await one.get("a")
    assert found is not None
    assert (found.key, found.value, found.revision) == ("a", b"2", second)


async def test_of_many_concurrent_updates_exactly_one_wins(bus: Bus):
    bucket = await bus.bucket("incidents")
    revision = await bucket.create("a", b"0")
    results = await asyncio.gather(
        *(bucket.update("a", str(n).encode(), revision) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(r, int) for r in results) == 1
    assert sum(isinstance(r, Conflict) for r in results) == 19


async def test_a_deleted_key_is_gone_and_may_come_back_with_a_larger_revision(bus: Bus):
    bucket = await bus.bucket("incidents")
    first = await bucket.create("a", b"1")
    await bucket.put("b", b"1")
    await bucket.delete("a")
    await bucket.delete("never-there")
    assert await bucket.get("a") is None
    assert await bucket.keys() == ("b",)
    with pytest.raises(Conflict):
        await bucket.update("a", b"2", first)
    assert await bucket.create("a", b"2") > first


async def test_keys_are_found_by_pattern_and_checked(bus: Bus):
    bucket = await bus.bucket("incidents")
    for key in ("a.1", "a.2", "b.1"):
        await bucket.put(key, b"x")
    assert await bucket.keys() == ("a.1", "a.2", "b.1")
    newest = await bucket.put("a.2", b"y")
    assert await bucket.values("a.*") == (await bucket.get("a.1"), Stored("a.2", b"y", newest))
    assert await bucket.keys("a.*") == ("a.1", "a.2")
    assert await bucket.keys("c.>") == ()
    for bad in ("", "a b", "a.*", ".a", "a..b", ">"):
        with pytest.raises(BadInput):
            await bucket.put(bad, b"x")


async def test_a_watcher_sees_what_is_there_and_then_each_change(connect: Connect, bus: Bus):
    bucket = await bus.bucket("incidents")
    await bucket.put("a", b"1")
    await bucket.put("b", b"1")
    watched, seen = await (await connect()).bucket("incidents"), []

    async def watch() -> None:
        async for stored in watched.watch():
            seen.append((stored.key, stored.value))

    task = asyncio.create_task(watch())
    await until(lambda: len(seen) == 2)
    await bucket.delete("b")
    await bucket.put("a", b"2")
    await until(lambda: len(seen) == 3)
    assert seen == [("a", b"1"), ("b", b"1"), ("a", b"2")]
    task.cancel()
    await asyncio.wait([task])


async def test_a_value_over_the_limit_is_refused(bus: Bus):
    with pytest.raises(TooLarge):
        await (await bus.bucket("incidents")).put("a", b"x" * (768 * 1024 + 1))


async def test_a_lease_has_one_holder_and_its_tokens_grow(connect: Connect, bus: Bus):
    other, ttl = await connect(), timedelta(seconds=5)
    first = await bus.lease("writer", "one", ttl=ttl)
    waiting = asyncio.create_task(other.lease("writer", "two", ttl=ttl))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await first.renew()
    await first.release()
    second = await asyncio.wait_for(waiting, 3)
    assert second.token > first.token
    with pytest.raises(Conflict):
        await first.renew()
    await first.release()
    await second.renew()


async def test_the_lease_of_a_silent_holder_is_taken_over_and_it_learns(connect: Connect, bus: Bus):
    other, ttl = await connect(), timedelta(milliseconds=500)
    first = await bus.lease("writer", "one", ttl=ttl)
    started = asyncio.get_running_loop().time()
    second = await asyncio.wait_for(other.lease("writer", "two", ttl=ttl), 5)
    assert asyncio.get_running_loop().time() - started >= 0.45
    assert second.token > first.token
    with pytest.raises(Conflict):
        await first.renew()


async def test_a_lease_that_is_renewed_is_kept(connect: Connect, bus: Bus):
    other, ttl = await connect(), timedelta(milliseconds=500)
    lease = await bus.lease("writer", "one", ttl=ttl)
    waiting = asyncio.create_task(other.lease("writer", "two", ttl=ttl))
    for _ in range(10):
        await asyncio.sleep(0.1)
        await lease.renew()
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_of_many_who_want_a_lease_never_two_hold_it(connect: Connect, bus: Bus):
    holders, tokens = 0, []

    async def want(name: str) -> None:
        nonlocal holders
        lease = await (await connect()).lease("writer", name, ttl=timedelta(seconds=5))
        holders += 1
        assert holders == 1
        tokens.append(lease.token)
        await asyncio.sleep(0.02)
        holders -= 1
        await lease.release()

    await asyncio.wait_for(asyncio.gather(*(want(f"p{n}") for n in range(4))), 30)
    assert tokens == sorted(set(tokens))
