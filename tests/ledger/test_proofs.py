"""One file that proves one change, and what becomes of it when anything in it is changed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import canonical
from estate.errors import BadInput
from estate.ids import Digest
from policies.ledger import merkle, notes, proofs
from policies.ledger.archives import Archive
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import EntryKind
from policies.ledger.reports import Report
from policies.ledger.verifier_keys import VerifierKey, ledger_key
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, TestEntropy
from tests.ledger.conftest import PROPOSAL, SIGNER, SIGNING, draft
from tests.ledger.test_verification import TOLD

KEY = ledger_key(INSTALLATION, SIGNER.public_key)
OTHER = Digest("sha256:" + "b" * 64)


async def told(ledger: Archive) -> Archive:
    """A ledger in which the change happened among other things."""
    for number, one in enumerate(TOLD):
        await ledger.append(draft(f"between:{number}", EntryKind.COMMANDED, proposal=None, projections={}))
        await ledger.append(one)
    return ledger


async def _proof() -> bytes:
    ledger = MemoryLedger(INSTALLATION, signing=SIGNING, entropy=TestEntropy("proofs"))
    return await proofs.prove(await told(ledger), PROPOSAL)


PROOF = asyncio.run(_proof())


def found(data: bytes, *keys: VerifierKey, seen: tuple[str, ...] = ()) -> Report:
    return proofs.verify(data, keys or (KEY,), seen)


def edited(change: Callable[[dict[str, Any]], None]) -> bytes:
    """The proof with another story in it, written as canonically as ours."""
    lines = PROOF.split(b"\n")
    story = json.loads(base64.b64decode(lines[1].removeprefix(b"extra ")))
    change(story)
    lines[1] = b"extra " + base64.b64encode(canonical.dumps(story))
    return b"\n".join(lines)


def reasons(report: Report) -> str:
    return "; ".join(str(fault) for fault in report.faults)


async def test_a_change_is_proven_from_every_kind_of_storage(ledger: Archive) -> None:
    report = found(await proofs.prove(await told(ledger), PROPOSAL))
    assert report.faults == ()
    assert (report.entries, report.keys, report.installation) == (len(TOLD), (KEY,), str(INSTALLATION))
    with pytest.raises(BadInput, match="says nothing"):
        await proofs.prove(ledger, OTHER)


def test_a_stranger_reads_the_proof_by_the_standard_alone() -> None:
    """Index, path and checkpoint are where the format says; the leaf is the last entry's."""
    head, _, note = PROOF.decode().partition("\n\n")
    header, extra, index, *path = head.split("\n")
    leaf = json.loads(base64.b64decode(extra.removeprefix("extra ")))["entries"][-1]["leaf"]
    checkpoint = notes.open_checkpoint(note, [KEY]).checkpoint
    assert header == "c2sp.org/tlog-proof@v1"
    assert leaf["entry"] == "outcome"
    assert merkle.included(
        merkle.leaf_hash(canonical.dumps(leaf)),
        int(index.removeprefix("index ")),
        checkpoint.head.size,
        [base64.b64decode(h) for h in path],
        checkpoint.head.root,
    )


@given(st.data())
def test_no_bit_of_a_proof_can_change(data: st.DataObject) -> None:
    """But for those of the unauthenticated frame, each is found; none makes the verifier crash."""
    changed = bytearray(PROOF)
    at, bit = data.draw(st.integers(0, len(changed) - 1)), data.draw(st.integers(0, 7))
    changed[at] ^= 1 << bit
    assert not found(bytes(changed)).holds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s["entries"][3]["content"]["body"].update(verdict={"decision": "forbid"}), "the body was changed"),
        (lambda s: s["entries"][0]["content"].update(by="human:test/eve"), "the author was changed"),
        (lambda s: s["entries"][4]["leaf"].update(key="issued:2"), "is not in the log"),
        (lambda s: s["entries"].pop(3), "without a permit"),
        (lambda s: s["entries"].pop(), "another entry than the story's last"),
        (lambda s: s["entries"].insert(0, s["entries"].pop(1)), "out of order"),
        (lambda s: s.update(proposal=str(OTHER)), "another change"),
        (lambda s: s.update(v=2), "newer placet"),
    ],
)
def test_a_story_told_otherwise_is_found(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    assert reason in reasons(found(edited(change)))


def test_a_body_that_was_erased_leaves_the_proof_standing() -> None:
    report = found(edited(lambda s: s["entries"][2].update(content=None)))
    assert report.holds
    assert report.without_body == 1


def test_a_stranger_s_key_carries_no_proof() -> None:
    stranger = MemorySigner.generate(TestEntropy("stranger"))
    assert "nobody trusted" in reasons(found(PROOF, ledger_key(INSTALLATION, stranger.public_key)))
    assert "replaced" in reasons(found(PROOF, VerifierKey(KEY.name, KEY.public_key, until=3)))


@given(st.binary(max_size=80))
def test_garbage_is_reported_not_crashed_on(data: bytes) -> None:
    assert not found(b"c2sp.org/tlog-proof@v1\n" + data).holds
