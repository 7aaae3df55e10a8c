"""What every shelf promises."""

from __future__ import annotations

import asyncio

import pytest

from agents.checkpoints.port import Address, Fenced, Held, Shelf

_HERE = Address("incident-1.v1", "")


async def test_a_document_is_created_once_and_replaced_by_version(shelf: Shelf):
    assert await shelf.load(_HERE) is None
    first = await shelf.save(_HERE, b"one", None)
    with pytest.raises(Fenced):
        await shelf.save(_HERE, b"two", None)
    second = await shelf.save(_HERE, b"two", first)
    with pytest.raises(Fenced):
        await shelf.save(_HERE, b"three", first)
    assert await shelf.load(_HERE) == Held(b"two", second)


async def test_of_many_who_replace_a_version_one_wins(shelf: Shelf):
    version = await shelf.save(_HERE, b"one", None)
    results = await asyncio.gather(
        *(shelf.save(_HERE, str(n).encode(), version) for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, Fenced) for result in results) == 9


async def test_a_deleted_document_that_is_begun_anew_never_repeats_a_version(shelf: Shelf):
    first = await shelf.save(_HERE, b"one", None)
    await shelf.delete(_HERE)
    await shelf.delete(_HERE)
    assert await shelf.load(_HERE) is None
    with pytest.raises(Fenced):
        await shelf.save(_HERE, b"two", first)
    assert await shelf.save(_HERE, b"two", None) > first


async def test_any_text_names_a_thread(shelf: Shelf):
    addresses = [Address("a", ""), Address("a", "case:x|y"), Address("A b.*>", ""), Address("=61", "é")]
    for address in addresses:
        await shelf.save(address, address.thread.encode(), None)
    assert set(await shelf.addresses()) == set(addresses)
    assert set(await shelf.addresses("a")) == set(addresses[:2])
    held = await shelf.load(addresses[2])
    assert held is not None
    assert held.data == b"A b.*>"


@pytest.mark.parametrize("size", [10, 600_000, 3_000_000])
async def test_a_document_of_any_reasonable_size_comes_back_whole(shelf: Shelf, size: int):
    data = bytes(range(256)) * (size // 256 + 1)
    version = await shelf.save(_HERE, data, None)
    assert await shelf.load(_HERE) == Held(data, version)
    smaller = await shelf.save(_HERE, b"small", version)
    assert await shelf.load(_HERE) == Held(b"small", smaller)
    with pytest.raises(Fenced):
        await shelf.save(_HERE, data, version)
    assert await shelf.load(_HERE) == Held(b"small", smaller)
