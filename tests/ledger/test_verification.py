"""Whatever is done to an exported ledger is found, and named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import canonical
from policies.ledger import merkle
from policies.ledger.leaves import Leaf, install_origin, tenant_origin
from policies.ledger.memory import MemoryLedger
from policies.ledger.notes import Checkpoint, Notary
from policies.ledger.ordering import Order
from policies.ledger.port import Draft, EntryKind
from policies.ledger.verifier_keys import VerifierKey, ledger_key
from policies.ledger.verifying import Report, verify
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, TestEntropy, subject
from tests.ledger.conftest import PROPOSAL, SIGNER, SIGNING, TENANTS, draft

KEY = ledger_key(INSTALLATION, SIGNER.public_key)
INSTALL = install_origin(INSTALLATION)
STORY = (
    ("proposed:1", EntryKind.PROPOSED, {}),
    ("decided:1", EntryKind.DECIDED, {"verdict": {"decision": "needs-approval"}}),
    ("approval:1", EntryKind.APPROVED, {"word": "approve"}),
    ("decided:2", EntryKind.DECIDED, {"verdict": {"decision": "permit"}}),
    ("issued:1", EntryKind.ISSUED, {}),
    ("consumed:1", EntryKind.CONSUMED, {}),
    (f"step:{PROPOSAL}:1:do:started", EntryKind.STEP_STARTED, {}),
    (f"step:{PROPOSAL}:1:do:applied", EntryKind.STEP_APPLIED, {}),
    (f"step:{PROPOSAL}:2:do:failed", EntryKind.STEP_FAILED, {}),
    (f"step:{PROPOSAL}:1:undo:started", EntryKind.UNDO_STARTED, {}),
    (f"step:{PROPOSAL}:1:undo:applied", EntryKind.UNDO_APPLIED, {}),
    ("outcome:1", EntryKind.OUTCOME, {"ending": "rolled-back"}),
)
TOLD = [draft(key, kind, body=body, by=subject("ada")) for key, kind, body in STORY]


def exported(drafts: Iterable[Draft], *, checkpoint_after: int = 3, erase: str = "", entropy: str = "x") -> list[bytes]:
    async def run() -> list[bytes]:
        ledger = MemoryLedger(INSTALLATION, signing=SIGNING, entropy=TestEntropy(entropy))
        for number, one in enumerate(drafts):
            if number == checkpoint_after:
                await ledger.checkpoint()
            await ledger.append(one)
        await ledger.erase(erase)
        return [line async for line in ledger.export()]

    return asyncio.run(run())


EXPORT = exported(TOLD)


def split(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def edited(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    form = json.loads(line)
    change(form)
    return canonical.dumps(form) + b"\n"


def found(lines: Iterable[bytes], *keys: VerifierKey) -> Report:
    return verify(lines, keys or (KEY,))


def place(line: bytes) -> tuple[str, int] | None:
    form = json.loads(line)
    return (form["leaf"]["log"], form["leaf"]["index"]) if form["kind"] == "leaf" else None


def line_of(key: str, origin: str = INSTALL) -> int:
    forms = [json.loads(line) for line in EXPORT]
    return next(
        i for i, f in enumerate(forms) if f["kind"] == "leaf" and f["leaf"]["key"] == key and f["leaf"]["log"] == origin
    )


def test_an_untouched_export_holds_and_names_the_key_that_signed_it() -> None:
    report = found(EXPORT)
    assert report.fault is None
    assert report.entries == len(STORY)
    assert report.keys == (KEY,)
    assert [(log.origin, log.size, log.checkpoints) for log in report.logs] == [
        *((tenant_origin(INSTALLATION, t), len(STORY), 2) for t in TENANTS),
        (INSTALL, len(STORY), 2),
    ]


def test_a_ledger_whose_bodies_were_erased_still_holds() -> None:
    report = found(exported(TOLD, erase="decided:2"))
    assert report.fault is None
    assert [log.erased for log in report.logs] == [1, 1, 1]


def test_an_empty_ledger_holds() -> None:
    assert found(exported([])).fault is None


@given(st.data())
def test_any_flipped_bit_is_found_and_its_entry_named(data: st.DataObject) -> None:
    """The promise that an outsider relies on."""
    number = data.draw(st.integers(0, len(EXPORT) - 1))
    line = bytearray(EXPORT[number])
    at, bit = data.draw(st.integers(0, len(line) - 1)), data.draw(st.integers(0, 7))
    line[at] ^= 1 << bit
    fault = found(split(b"".join([*EXPORT[:number], bytes(line), *EXPORT[number + 1 :]]))).fault
    assert fault is not None
    if (named := place(EXPORT[number])) is not None:
        assert (fault.log, fault.index) == named
        assert fault.line == number + 1
        assert f"entry {named[1]} of {named[0]}" in str(fault)


NEEDED = [i for i, line in enumerate(EXPORT) if b"\\n3\\n" not in line]
"""Every line but the older checkpoints: without one of those a file still holds, and says the same."""


@given(st.sampled_from(NEEDED), st.booleans())
def test_a_removed_or_doubled_line_is_found(number: int, double: bool) -> None:
    lines = [*EXPORT[:number], *([EXPORT[number]] * 2 if double else []), *EXPORT[number + 1 :]]
    assert found(lines).fault is not None


@given(st.integers(0, len(EXPORT) - 1))
def test_an_export_that_ends_early_is_found(number: int) -> None:
    fault = found(EXPORT[:number]).fault
    assert fault is not None
    assert "ends here" in fault.reason


def test_an_entry_replaced_with_its_hash_is_named_by_its_successor() -> None:
    """Somebody who edits the database edits the recorded hash too, but not every root after it."""
    honest = exported(replace(one, projections={}) for one in TOLD)
    number = next(i for i, line in enumerate(honest) if place(line) == (INSTALL, 2))

    def change(form: dict[str, Any]) -> None:
        form["leaf"]["key"] = "approval:2"
        form["hash"] = merkle.leaf_hash(canonical.dumps(form["leaf"])).hex()

    fault = found([*honest[:number], edited(honest[number], change), *honest[number + 1 :]]).fault
    assert fault is not None
    assert (fault.log, fault.index, fault.line) == (INSTALL, 2, number + 1)
    assert "replaced" in fault.reason


def test_a_log_rewritten_from_an_entry_on_is_found_by_its_checkpoint() -> None:
    """Somebody who rewrites everything after an edit has no signature for it."""
    rewritten = exported([*TOLD[:4], draft("issued:2", EntryKind.ISSUED), *TOLD[5:]])
    notes = iter([line for line in EXPORT if b'"checkpoint"' in line])
    forged = [next(notes) if b'"checkpoint"' in line else line for line in rewritten]
    fault = found(forged).fault
    assert fault is not None
    assert "replaced" in fault.reason
    assert fault.log == tenant_origin(INSTALLATION, TENANTS[0])


def test_a_changed_body_salt_or_author_is_named() -> None:
    number = line_of("approval:1")
    for field, value, word in (
        ("body", {"word": "deny"}, "body"),
        ("salt", "00" * 32, "body"),
        ("by", "human:x/y", "author"),
    ):

        def change(form: dict[str, Any], field: str = field, value: Any = value) -> None:
            form["content"][field] = value

        fault = found([*EXPORT[:number], edited(EXPORT[number], change), *EXPORT[number + 1 :]]).fault
        assert fault is not None
        assert (fault.log, fault.index) == (INSTALL, 2)
        assert word in fault.reason


def test_a_foreign_key_signs_nothing_here() -> None:
    """A key inside the file, or beside another installation's, must not count."""
    stranger = MemorySigner.generate(TestEntropy("stranger"))
    other = ledger_key(INSTALLATION, stranger.public_key)
    for keys in [(other,), (VerifierKey("placet-ledger/other", SIGNER.public_key),)]:
        fault = found(EXPORT, *keys).fault
        assert fault is not None
        assert (fault.log, fault.line) == (None, 1)
    assert found(EXPORT, other, KEY).fault is None


def test_a_checkpoint_signed_by_a_stranger_is_found() -> None:
    stranger = Notary(INSTALLATION, MemorySigner.generate(TestEntropy("stranger")))
    log = found(EXPORT).logs[-1]
    note = stranger.sign(Checkpoint(log.origin, merkle.Head(log.size, bytes.fromhex(log.root))))
    fault = found([*EXPORT[:-1], edited(EXPORT[-1], lambda form: form.update(note=note))]).fault
    assert fault is not None
    assert "signed by nobody trusted" in fault.reason


def test_a_projection_that_no_entry_accounts_for_is_found() -> None:
    """A leaf slipped into a tenant's log, by somebody who holds even the ledger key."""
    lines = exported([*TOLD[:2], draft("slipped", projections={TENANTS[0]: {}})])
    install = exported([*TOLD[:2], draft("slipped", projections={})])
    start = next(i for i, line in enumerate(lines) if place(line) == (INSTALL, 0))
    other = next(i for i, line in enumerate(install) if place(line) == (INSTALL, 0))
    fault = found([*lines[:start], *install[other:]]).fault
    assert fault is not None


@pytest.mark.parametrize(
    ("without", "named", "reason"),
    [
        ("proposed:1", "decided:1", "`decided` without `proposed`"),
        ("decided:2", "issued:1", "without a permit"),
        ("issued:1", "consumed:1", "`consumed` without `issued`"),
        ("consumed:1", f"step:{PROPOSAL}:1:do:started", "`step-started` without `consumed`"),
        (f"step:{PROPOSAL}:1:do:started", f"step:{PROPOSAL}:1:do:applied", "without `step-started`"),
        (f"step:{PROPOSAL}:1:undo:started", f"step:{PROPOSAL}:1:undo:applied", "without `undo-started`"),
    ],
)
def test_an_honestly_logged_lawless_order_is_named(without: str, named: str, reason: str) -> None:
    """Here nothing was altered: a gate or an executor that skipped its entry is convicted by its own log."""
    told = [one for one in TOLD if one.key != without]
    fault = found(exported(told)).fault
    assert fault is not None
    assert (fault.log, fault.index) == (INSTALL, [one.key for one in told].index(named))
    assert reason in fault.reason


def test_a_permit_that_was_decided_anew_is_no_permit_any_more() -> None:
    place = [one.key for one in TOLD].index("issued:1")
    since = draft("decided:3", EntryKind.DECIDED, body={"verdict": {"decision": "forbid"}})
    fault = found(exported([*TOLD[:place], since, *TOLD[place:]])).fault
    assert fault is not None
    assert "without a permit" in fault.reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (draft(f"step:{PROPOSAL}:3:do:started", EntryKind.STEP_STARTED), "after the outcome"),
        (draft("consumed:2", EntryKind.CONSUMED), "second time"),
        (draft("outcome:2", EntryKind.OUTCOME), "second time"),
        (draft("step:3", EntryKind.STEP_APPLIED, proposal=None), "names no proposal"),
    ],
)
def test_nothing_follows_an_outcome_and_nothing_happens_twice(more: Draft, reason: str) -> None:
    fault = found(exported([*TOLD, more])).fault
    assert fault is not None
    assert fault.index == len(TOLD)
    assert reason in fault.reason


def test_a_key_that_stands_twice_is_named() -> None:
    """Idempotency is a promise of the ledger itself; the verifier does not take its word for it."""
    leaf = Leaf.model_validate(json.loads(EXPORT[line_of("proposed:1")])["leaf"])
    order = Order()
    assert order.fault(leaf, permitted=False) is None
    fault = order.fault(leaf, permitted=False)
    assert fault is not None
    assert "stands in an earlier entry" in fault


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_garbage_is_reported_not_crashed_on(lines: list[bytes]) -> None:
    assert found(lines).fault is not None


def test_a_leaf_reads_back_as_it_was_written() -> None:
    """The leaf format is final: this very leaf must be readable for ever."""
    golden = (
        b'{"at":"2026-11-21T08:00:00.000000Z","body":"sha256:'
        + b"0" * 64
        + b'","by":"gate:test/gate","entry":"proposed","incident":"inc-1","index":0,"key":"proposed:1","kind":'
        b'"placet.leaf","log":"placet/test/install","prev":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4'
        b'95991b7852b855","proposal":"sha256:' + b"a" * 64 + b'","tenants":[{"origin":"placet/test/tenant/tenant-a",'
        b'"root":"sha256:' + b"1" * 64 + b'","size":1}],"v":1}'
    )
    leaf = Leaf.read(golden)
    assert leaf.canonical() == golden
    assert leaf.prev == merkle.written(merkle.EMPTY_ROOT)
