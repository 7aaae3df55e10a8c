"""The witness itself: cosigns a checkpoint only where it extends the one that it cosigned before.

Run by whoever does not run the installation (`placet witness`), with a key of its own and the public keys of the
ledgers that it watches; several processes may share one book. It answers requests of the C2SP witness protocol and
refuses, with the status that the protocol gives each: unknown logs, unsigned checkpoints, an old size that is not its
newest, and every history that is not a continuation, which it logs as the alarm that it is. The book is written before
anything is signed.

https://c2sp.org/tlog-witness
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from estate.clocks import Clock
from estate.errors import Denied
from policies.keyrings import Algorithm, algorithm_of
from policies.ledger import merkle, notes
from policies.ledger.connections import connect
from policies.ledger.merkle import Head
from policies.ledger.notes import Checkpoint
from policies.ledger.verifier_keys import Scheme, VerifierKey, decode, ledger_prefix
from policies.signing.port import Signer

MOST_PROOF_LINES = 63
LARGEST_REQUEST_BYTES = 64 * 1024
SIZE_MEDIA = "text/x.tlog.size"

_TABLE = (
    "CREATE TABLE IF NOT EXISTS witness_heads (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,"
    " note TEXT NOT NULL)"
)
_READ = "SELECT size, root FROM witness_heads WHERE origin = ?"
_WRITE = (
    "INSERT INTO witness_heads VALUES (?, ?, ?, ?)"
    " ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note"
)
_NOTES = "SELECT note FROM witness_heads ORDER BY origin"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status with its body."""

    status: int
    body: str
    media: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a checkpoint, and the proof that it extends the log of an older size."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """The request in `body`. Raises Denied: it is none."""
        text = body.decode(errors="replace")
        head, blank, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        size = first.removeprefix("old ")
        plain = size.isascii() and size.isdecimal() and str(int(size)) == size if len(size) < 20 else False
        if not blank or not first.startswith("old ") or not plain or len(lines) > MOST_PROOF_LINES:
            raise Denied("not a witness request: `old SIZE`, proof lines, an empty line and a checkpoint are expected")
        try:
            return cls(int(size), tuple(decode(line) for line in lines), note)
        except ValueError as error:
            raise Denied("not a witness request: a proof line is not base64") from error


def witness_key(name: str, signer: Signer) -> VerifierKey:
    """The public key by which a witness of that name is known."""
    mldsa = algorithm_of(signer.key_id) is Algorithm.MLDSA44
    return VerifierKey(name, signer.public_key, Scheme.COSIGNATURE_MLDSA44 if mldsa else Scheme.COSIGNATURE)


class Book:
    """The newest checkpoint cosigned of each log, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as connection:
            connection.execute(_TABLE)

    def notes(self) -> tuple[str, ...]:
        """The newest checkpoints as they were signed by their logs."""
        with self._open() as connection:
            return tuple(note for (note,) in connection.execute(_NOTES))

    @contextmanager
    def turn(self) -> Iterator[sqlite3.Connection]:
        """Alone over all processes; written when the block ends well, else as if nothing had been."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(connect(self._path)) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class Cosigner:
    """One witness over one book. `logs` are the ledgers' keys that it was given."""

    key: VerifierKey
    signer: Signer
    logs: tuple[VerifierKey, ...]
    book: Book
    clock: Clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request. Never raises for what it holds."""
        try:
            request = Request.parse(body)
            checkpoint = notes.read_checkpoint(request.note)
        except Denied as error:
            return Answer(400, f"{error}\n")
        trusted = [key for key in self.logs if checkpoint.origin.startswith(ledger_prefix(key))]
        if not trusted:
            return Answer(404, f"log `{checkpoint.origin}` is unknown here; give this witness its `.vkey`\n")
        try:
            notes.open_checkpoint(request.note, trusted)
        except Denied as error:
            return Answer(403, f"{error}\n")
        return self._judged(request, checkpoint)

    def _judged(self, request: Request, checkpoint: Checkpoint) -> Answer:
        with self.book.turn() as connection:
            record = connection.execute(_READ, (checkpoint.origin,)).fetchone()
            held = Head(record[0], bytes(record[1])) if record else Head(0, merkle.EMPTY_ROOT)
            refusal = _refusal(request, checkpoint.head, held)
            if refusal is not None:
                _tell(refusal, checkpoint, held)
                return refusal
            head = checkpoint.head
            connection.execute(_WRITE, (checkpoint.origin, head.size, head.root, request.note))
        time = int(self.clock().timestamp())
        return Answer(200, notes.cosignature(self.key, self.signer, checkpoint, time))


def _refusal(request: Request, head: Head, held: Head) -> Answer | None:
    if request.old > head.size:
        return Answer(400, f"old size {request.old} is beyond the checkpoint's {head.size}\n")
    if request.old != held.size:
        return Answer(409, f"{held.size}\n", SIZE_MEDIA)
    if head.size == held.size:
        return None if head.root == held.root and not request.proof else Answer(409, f"{held.size}\n", SIZE_MEDIA)
    if held.size == 0:
        return None if not request.proof else Answer(422, "from the empty log no proof is needed; send none\n")
    if not merkle.extends(held, head, request.proof):
        return Answer(422, f"the log of {head.size} does not continue the one of {held.size} that was cosigned\n")
    return None


def _tell(refusal: Answer, checkpoint: Checkpoint, held: Head) -> None:
    """A signed checkpoint of another history is proof of misbehaviour; an old size that lags is everyday life."""
    forked = refusal.status == 422 or (checkpoint.head.size == held.size and checkpoint.head.root != held.root)
    tell = log.error if forked else log.info
    event = "another history was signed" if forked else "checkpoint not cosigned"
    tell(event, log=checkpoint.origin, size=checkpoint.head.size, cosigned=held.size, status=refusal.status)
