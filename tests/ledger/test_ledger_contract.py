"""The contract of the Ledger port, on memory, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from estate.errors import BadInput
from estate.identities import SubjectKind
from estate.ids import Digest, IncidentId, TenantId
from policies.ledger import merkle
from policies.ledger.archives import Archive
from policies.ledger.leaves import install_origin, tenant_origin
from policies.ledger.notes import open_checkpoint
from policies.ledger.port import Entry, EntryKind, Fence, Fenced
from policies.ledger.signing import Signing
from policies.ledger.verifier_keys import ledger_key
from policies.ledger.verifying import verify
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, START, TestEntropy, subject
from tests.ledger.conftest import SIGNER, TENANTS, Open, draft

INSTALL = install_origin(INSTALLATION)


async def all_of(entries: AsyncIterator[Entry]) -> list[Entry]:
    return [entry async for entry in entries]


async def leaves_of(ledger: Archive, origin: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) async for line in ledger.export()]
    return [line["leaf"] for line in lines if line["kind"] == "leaf" and line["leaf"]["log"] == origin]


async def test_an_appended_entry_is_found_as_it_was_written(ledger: Archive) -> None:
    written = draft()
    appended = await ledger.append(written)
    assert appended.created
    found = await ledger.find(written.key)
    assert found == appended.entry
    assert (found.index, found.kind, found.at, found.by) == (0, written.kind, START, str(written.by))
    assert (found.incident, found.proposal, found.body) == (written.incident, written.proposal, written.body)
    assert found.leaf_hash == merkle.leaf_hash(found.leaf)
    assert await ledger.find("another") is None


async def test_a_second_append_of_one_key_changes_nothing(ledger: Archive) -> None:
    """This is what makes a warrant single-use."""
    first = await ledger.append(draft("consumed:1", body={"execution": "one"}))
    second = await ledger.append(draft("consumed:1", body={"execution": "two"}))
    assert (first.created, second.created) == (True, False)
    assert second.entry == first.entry
    assert len(await all_of(ledger.entries())) == 1


async def test_of_eight_concurrent_appends_of_one_key_one_is_created(reopened: Open) -> None:
    ledgers = [await reopened() for _ in range(4)]
    racers = (ledgers[i % 4].append(draft("consumed:1", body={"execution": str(i)})) for i in range(8))
    appended = await asyncio.gather(*racers)
    assert sum(a.created for a in appended) == 1
    assert {a.entry.leaf for a in appended} == {appended[0].entry.leaf}


async def test_concurrent_appends_each_get_a_place_of_their_own(reopened: Open) -> None:
    one, other = await reopened(), await reopened()
    drafts = [draft(f"step:{i}") for i in range(60)]
    appended = await asyncio.gather(*((one, other)[i % 2].append(d) for i, d in enumerate(drafts)))
    assert sorted(a.entry.index for a in appended) == list(range(60))
    assert [e.index for e in await all_of(one.entries())] == list(range(60))
    assert len(await leaves_of(one, tenant_origin(INSTALLATION, TENANTS[0]))) == 60


async def test_an_older_fencing_token_is_refused_and_writes_nothing(ledger: Archive) -> None:
    """An executor that lost its lease must stop, even in the middle of a step."""
    await ledger.append(draft("a", fence=Fence("execution-1", 7)))
    await ledger.append(draft("b", fence=Fence("execution-1", 7)))
    await ledger.append(draft("c", fence=Fence("execution-1", 8)))
    with pytest.raises(Fenced, match="execution-1"):
        await ledger.append(draft("d", fence=Fence("execution-1", 7)))
    with pytest.raises(Fenced):
        await ledger.append(draft("a", fence=Fence("execution-1", 7)))
    assert await ledger.find("d") is None
    assert (await ledger.append(draft("e", fence=Fence("execution-2", 1)))).created


async def test_a_newer_token_counts_even_when_its_key_was_there(ledger: Archive) -> None:
    """The resumed execution repeats a step; from then on its predecessor is out."""
    await ledger.append(draft("a", fence=Fence("execution-1", 1)))
    assert not (await ledger.append(draft("a", fence=Fence("execution-1", 2)))).created
    with pytest.raises(Fenced):
        await ledger.append(draft("b", fence=Fence("execution-1", 1)))


async def test_entries_are_narrowed_by_what_is_given(ledger: Archive) -> None:
    other = Digest("sha256:" + "b" * 64)
    await ledger.append(draft("a"))
    await ledger.append(draft("b", EntryKind.DECIDED))
    await ledger.append(draft("c", EntryKind.DECIDED, proposal=other))
    await ledger.append(draft("d", EntryKind.FROZEN, proposal=None, incident=None))
    await ledger.append(draft("e", EntryKind.DECIDED, incident=IncidentId("inc-2")))

    async def keys(**narrowed: Any) -> str:
        return "".join(e.key for e in await all_of(ledger.entries(**narrowed)))

    assert await keys() == "abcde"
    assert await keys(kind=EntryKind.DECIDED) == "bce"
    assert await keys(proposal=other) == "c"
    assert await keys(incident=IncidentId("inc-1"), kind=EntryKind.DECIDED) == "bc"
    assert await keys(after=2) == "de"
    assert await keys(kind=EntryKind.DECIDED, after=1) == "ce"
    assert await keys(kind=EntryKind.DENIED) == ""


async def test_more_entries_than_a_page_come_in_order(ledger: Archive) -> None:
    await asyncio.gather(*(ledger.append(draft(f"k:{i}", projections={})) for i in range(600)))
    entries = await all_of(ledger.entries(after=9))
    assert [e.index for e in entries] == list(range(10, 600))
    for entry in (entries[0], entries[300], entries[-1]):  # beyond what fits one subtree that has no row of its own
        proof = await ledger.inclusion(INSTALL, entry.index)
        assert merkle.included(entry.leaf_hash, entry.index, proof.size, proof.hashes, proof.root)


async def test_a_cancelled_append_leaves_the_ledger_whole(ledger: Archive) -> None:
    tasks = [asyncio.create_task(ledger.append(draft(f"k:{i}", EntryKind.COMMANDED, proposal=None))) for i in range(50)]
    await asyncio.sleep(0.002)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await ledger.append(draft("last", EntryKind.COMMANDED, proposal=None))
    report = verify([line async for line in ledger.export()], [ledger_key(INSTALLATION, SIGNER.public_key)])
    assert {f"k:{i}" for i in range(1, 50, 2)} < {e.key for e in await all_of(ledger.entries())}
    assert report.fault is None


async def test_a_tenants_log_holds_its_own_part_only(ledger: Archive) -> None:
    await ledger.append(draft("a"))
    await ledger.append(draft("b", projections={TENANTS[1]: {"part": "secret of b"}}))
    lines = [json.loads(line) async for line in ledger.export()]
    found = [line for line in lines if line["kind"] == "leaf" and line["leaf"]["log"].endswith("tenant-a")]
    assert [line["leaf"]["key"] for line in found] == ["a"]
    assert found[0]["content"]["body"] == {"part": "of tenant-a"}
    assert "tenant-b" not in json.dumps(found)


async def test_an_entry_names_the_tenants_logs_after_its_projections(ledger: Archive) -> None:
    await ledger.append(draft("a"))
    await ledger.append(draft("b", projections={TENANTS[1]: {}}))
    leaves = await leaves_of(ledger, INSTALL)
    heads = [[(h["origin"].rpartition("/")[2], h["size"]) for h in leaf["tenants"]] for leaf in leaves]
    assert heads == [[("tenant-a", 1), ("tenant-b", 1)], [("tenant-b", 2)]]
    proof = await ledger.inclusion(tenant_origin(INSTALLATION, TENANTS[1]), 1)
    assert leaves[1]["tenants"][0]["root"] == f"sha256:{proof.root.hex()}"


async def test_no_leaf_names_a_person(ledger: Archive) -> None:
    """Leaves stand for ever; a name in one could never be erased."""
    await ledger.append(draft("a", by=subject("ada.lovelace")))
    await ledger.append(draft("b", by=subject("ada.lovelace")))
    await ledger.append(draft("c", by=subject("gate-1", SubjectKind.GATE)))
    authors = [leaf["by"] for leaf in await leaves_of(ledger, INSTALL)]
    assert "lovelace" not in json.dumps(await leaves_of(ledger, INSTALL))
    assert authors[0] != authors[1]
    assert authors[2] == "gate:test/gate-1"
    assert [e.by for e in await all_of(ledger.entries())][:2] == ["human:test/ada.lovelace"] * 2


async def test_a_key_that_could_hold_an_address_is_refused(ledger: Archive) -> None:
    with pytest.raises(BadInput, match="use a digest"):
        await ledger.append(draft("commanded:ada@example.com"))
    with pytest.raises(BadInput, match="no canonical form"):
        await ledger.append(draft("a", body={"load": 0.5}))
    assert (await ledger.append(draft("b"))).entry.index == 0


async def test_a_body_can_be_erased_and_the_entry_stays(ledger: Archive) -> None:
    await ledger.append(draft("a", by=subject("ada")))
    await ledger.append(draft("b"))
    before = [line["leaf"] for line in map(json.loads, [x async for x in ledger.export()]) if line["kind"] == "leaf"]
    assert await ledger.erase("a") == 1 + len(TENANTS)
    assert await ledger.erase("a") == 0
    lines = [json.loads(line) async for line in ledger.export()]
    assert [line["leaf"] for line in lines if line["kind"] == "leaf"] == before
    assert all(line["content"] is None for line in lines if line["kind"] == "leaf" and line["leaf"]["key"] == "a")
    found = await ledger.find("a")
    assert found is not None
    assert found.body == {}
    assert found.by.startswith("human:sha256:")
    assert not (await ledger.append(draft("a"))).created


async def test_inclusion_and_consistency_are_proven_from_storage(ledger: Archive) -> None:
    entries = [(await ledger.append(draft(f"k:{i}", projections={}))).entry for i in range(13)]
    for entry in entries:
        proof = await ledger.inclusion(INSTALL, entry.index)
        assert merkle.included(entry.leaf_hash, entry.index, proof.size, proof.hashes, proof.root)
    old = (await ledger.inclusion(INSTALL, 0)).root
    await ledger.append(draft("last"))
    proof = await ledger.consistency(INSTALL, 13)
    assert merkle.extends(merkle.Head(13, old), merkle.Head(14, proof.root), proof.hashes)
    with pytest.raises(BadInput, match="leaf `14`"):
        await ledger.inclusion(INSTALL, 14)
    with pytest.raises(BadInput, match="no log"):
        await ledger.inclusion(tenant_origin(INSTALLATION, TenantId("nobody")), 0)


async def test_a_checkpoint_is_a_signed_note_of_every_log(ledger: Archive) -> None:
    await ledger.append(draft("a"))
    key = ledger_key(INSTALLATION, SIGNER.public_key)
    opened = [open_checkpoint(note, [key]) for note in await ledger.checkpoint()]
    assert {checkpoint.origin.rpartition("/")[2] for checkpoint, _ in opened} == {"install", "tenant-a", "tenant-b"}
    assert all(checkpoint.head.size == 1 and signers == (key,) for checkpoint, signers in opened)


async def test_an_export_holds_every_checkpoint_that_was_signed(ledger: Archive) -> None:
    await ledger.append(draft("a"))
    await ledger.checkpoint()
    await ledger.append(draft("b"))
    notes = [json.loads(x)["note"] async for x in ledger.export() if b'"note"' in x]
    assert [n.split("\n")[1] for n in notes if n.startswith(INSTALL)] == ["1", "2"]


async def test_the_key_that_follows_signs_what_grew_after_the_last_word_of_the_old_one(reopened: Open) -> None:
    """Whoever verifies is told of it in between, while nothing is signed."""
    ledger, told = await reopened(Signing.of(INSTALLATION, SIGNER)), list[int]()
    new = MemorySigner.generate(TestEntropy("the next key"))
    keys = [ledger_key(INSTALLATION, s.public_key) for s in (SIGNER, new)]
    await ledger.append(draft("a"))
    assert await ledger.succeed(new, told.append) == 1
    await ledger.append(draft("b"))
    notes = [json.loads(x)["note"] async for x in ledger.export() if b'"note"' in x]
    signed = [open_checkpoint(n, keys) for n in notes if n.startswith(INSTALL)]
    assert [(c.head.size, signers) for c, signers in signed] == [(1, (keys[0],)), (2, (keys[1],))]
    assert told == [1]


async def test_an_empty_ledger_exports_its_empty_install_log(ledger: Archive) -> None:
    header, checkpoint = [json.loads(line) async for line in ledger.export()]
    assert header["logs"] == [{"origin": INSTALL, "size": 0}]
    assert checkpoint["note"].startswith(f"{INSTALL}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")


async def test_an_export_shows_one_moment_while_others_append(ledger: Archive) -> None:
    await ledger.append(draft("a"))
    export = ledger.export()
    header = json.loads(await anext(export))
    await ledger.append(draft("b"))
    rest = [json.loads(line) async for line in export]
    assert header["logs"][-1]["size"] == 1
    assert {line["leaf"]["key"] for line in rest if line["kind"] == "leaf"} == {"a"}


async def test_a_closed_ledger_comes_back_with_everything(reopened: Open) -> None:
    """In memory it is the same ledger still; the others read it from storage."""
    ledger = await reopened()
    await ledger.append(draft("a", fence=Fence("execution-1", 5)))
    before = (await ledger.inclusion(INSTALL, 0)).root
    await ledger.close()
    again = await reopened()
    assert not (await again.append(draft("a", fence=Fence("execution-1", 5)))).created
    assert (await again.inclusion(INSTALL, 0)).root == before
    with pytest.raises(Fenced):
        await again.append(draft("b", fence=Fence("execution-1", 4)))
    assert (await again.append(draft("c"))).entry.index == 1
