"""A self-contained `.tlog-proof` of one change: everything that the ledger says of it, provable offline.

The file is a C2SP tlog-proof of the change's last entry, which any verifier of that format reads. Its extra data holds
every entry of the change with its content and its own inclusion path to the same checkpoint, so that ours checks the
whole story: each entry is in the log, each body is the one that was written, and they stand in lawful order. The extra
data is trusted for nothing that the checkpoint's root does not prove.

https://c2sp.org/tlog-proof
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field, ValidationError

from estate.errors import BadInput, Denied, NewerRecord
from estate.ids import Digest, InstallationId
from estate.records import Model, Record
from policies.ledger import merkle, notes
from policies.ledger.archives import Archive
from policies.ledger.exports import ContentLine
from policies.ledger.leaves import Leaf
from policies.ledger.notes import Checkpoint
from policies.ledger.ordering import Order, permits
from policies.ledger.port import Entry
from policies.ledger.reports import Fault, LogReport, Report
from policies.ledger.signatories import Signatories
from policies.ledger.verifier_keys import VerifierKey, decode, encode

HEADER = "c2sp.org/tlog-proof@v1"
MOST_BYTES = 64 * 1024 * 1024


class ProvenEntry(Model):
    """One entry with its content, and the hashes from it to the root."""

    leaf: Leaf
    content: ContentLine | None
    path: tuple[str, ...]
    """In base64; of the last entry it stands in the proof itself too."""


class Story(Record):
    """The extra data: the entries of one change, in the ledger's order."""

    kind: Literal["placet.change.proof"] = "placet.change.proof"
    v: Literal[1] = 1
    proposal: Digest
    entries: tuple[ProvenEntry, ...] = Field(min_length=1)


async def prove(archive: Archive, proposal: Digest) -> bytes:
    """The proof of everything that the ledger says of a proposal, under a checkpoint signed (and witnessed) now.

    Raises:
        BadInput: the ledger says nothing of it, or was opened without its key.
    """
    found = [entry async for entry in archive.entries(proposal=proposal)]
    if not found:
        raise BadInput(f"the ledger says nothing of proposal `{proposal}`; see `placet get proposals`")
    note = next(note for note in await archive.checkpoint() if note.partition("\n")[0].endswith("/install"))
    checkpoint = notes.read_checkpoint(note)
    proven = tuple([await _proven(archive, entry, checkpoint) for entry in found])
    return _written(Story(proposal=proposal, entries=proven), note)


async def _proven(archive: Archive, entry: Entry, checkpoint: Checkpoint) -> ProvenEntry:
    path = await archive.hashes(checkpoint.origin, merkle.inclusion(entry.index, checkpoint.head.size))
    content = ContentLine(salt=entry.salt.hex(), body=dict(entry.body), by=entry.by) if entry.salt else None
    return ProvenEntry(leaf=Leaf.read(entry.leaf), content=content, path=tuple(encode(h) for h in path))


def _written(story: Story, note: str) -> bytes:
    last = story.entries[-1]
    extra = encode(story.canonical())
    lines = (HEADER, f"extra {extra}", f"index {last.leaf.index}", *last.path, "", note)
    return "\n".join(lines).encode()


def verify(data: bytes, trusted: Iterable[VerifierKey], seen: Iterable[str] = ()) -> Report:
    """Check a proof. Never raises for what a file may hold; a fault's line is the file's."""
    faults: list[Fault] = []
    signers: tuple[VerifierKey, ...] = ()
    logs: tuple[LogReport, ...] = ()
    installation = ""
    try:
        story, index, path, note = _read(data)
        checkpoint, signatories = _signed(note, trusted)
        signers = notes.open_checkpoint(note, signatories.all).signers
        installation = checkpoint.origin.split("/")[1]
        faults += _faults(story, index, path, checkpoint)
        faults += [Fault(0, reason, checkpoint.origin) for reason in _contradictions(checkpoint, seen, signatories)]
        if (fault := signatories.fault(checkpoint.head.size, signers, install=True, newest=True)) is not None:
            faults.append(Fault(0, fault, checkpoint.origin))
        erased = sum(entry.content is None for entry in story.entries)
        logs = (LogReport(checkpoint.origin, len(story.entries), checkpoint.head.root.hex(), erased, 1),)
    except (BadInput, Denied, NewerRecord, ValidationError, ValueError, RecursionError) as error:
        faults.append(Fault(0, str(error)))
    return Report(installation, logs, signers, tuple(faults))


def _signed(note: str, trusted: Iterable[VerifierKey]) -> tuple[Checkpoint, Signatories]:
    checkpoint = notes.read_checkpoint(note)
    parts = checkpoint.origin.split("/")
    if len(parts) != 3 or parts[0] != "placet" or parts[2] != "install":
        raise Denied(f"the proof is of log `{checkpoint.origin}`, which is no install log of placet")
    return checkpoint, Signatories.of(InstallationId(parts[1]), trusted)


def _read(data: bytes) -> tuple[Story, int, tuple[bytes, ...], str]:
    if len(data) > MOST_BYTES:
        raise BadInput("the proof is larger than any that placet writes")
    head, blank, note = data.decode().partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) < 3 or lines[0] != HEADER or not lines[1].startswith("extra "):
        raise BadInput(f"not a proof by placet: `{HEADER}`, its story, an index and a checkpoint are expected")
    index = lines[2].removeprefix("index ")
    if not lines[2].startswith("index ") or not index.isdecimal() or len(index) > 19 or str(int(index)) != index:
        raise BadInput("not a proof: the third line names no index")
    extra = decode(lines[1].removeprefix("extra "))
    story = Story.read(extra)
    if story.canonical() != extra:
        raise BadInput("the story is not in canonical form; it was changed")
    return story, int(index), tuple(decode(line) for line in lines[3:]), note


def _faults(story: Story, index: int, path: Sequence[bytes], checkpoint: Checkpoint) -> list[Fault]:
    found: list[Fault] = []
    order = Order()
    before = -1
    for entry in story.entries:
        reasons = [*_of_entry(entry, story.proposal, checkpoint)]
        if entry.leaf.index <= before:
            reasons.append("it stands out of order")
        body = entry.content.content().read_body if entry.content and not reasons else None
        if (fault := order.fault(entry.leaf, permitted=body is None or permits(body))) is not None:
            reasons.append(fault)
        before = entry.leaf.index
        found += [Fault(2, reason, entry.leaf.log, entry.leaf.index) for reason in reasons]
    last = story.entries[-1]
    if (last.leaf.index, last.path) != (index, tuple(encode(h) for h in path)):
        found.append(Fault(3, "the proof is of another entry than the story's last", checkpoint.origin, index))
    return found


def _of_entry(entry: ProvenEntry, proposal: Digest, checkpoint: Checkpoint) -> Iterable[str]:
    leaf, head = entry.leaf, checkpoint.head
    if leaf.log != checkpoint.origin or leaf.proposal != proposal:
        yield "it belongs to another log or another change"
    path = [decode(h) for h in entry.path]
    if not merkle.included(merkle.leaf_hash(leaf.canonical()), leaf.index, head.size, path, head.root):
        yield "it is not in the log under this checkpoint; it was changed, or never written"
    if entry.content is None:
        return
    content = entry.content.content()
    if content.body_hash != leaf.body:
        yield "its body does not fit the salted hash in the leaf; the body was changed"
    if content.signed_by != leaf.by:
        yield "its author does not fit the leaf; the author was changed"


def _contradictions(checkpoint: Checkpoint, seen: Iterable[str], signatories: Signatories) -> Iterable[str]:
    """What a proof can say of checkpoints that were kept: of the same size, whether they are the same."""
    for note in seen:
        kept = notes.open_checkpoint(note, signatories.all).checkpoint
        same_place = (kept.origin, kept.head.size) == (checkpoint.origin, checkpoint.head.size)
        if same_place and kept.head.root != checkpoint.head.root:
            yield f"a checkpoint of {kept.head.size} entries was kept with another root; two histories were shown"


def is_proof(data: bytes) -> bool:
    """Whether that is how a proof begins."""
    return data.startswith(HEADER.encode())
