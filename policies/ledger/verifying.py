"""Checks an exported ledger offline, against public keys that were given: the outsider's side of the ledger.

Nothing inside the file is trusted but what a given key signed. Checked, line by line: form, each leaf against its
recorded hash, its predecessor's root and its content; each entry against the tenants' logs it names and against the
order of `policies.ledger.ordering`; the checkpoints against the roots. The report names the first fault by log, index
and line. What it cannot see: an older state of the whole ledger, exported then, or rewritten by a thief of its key; for
that, compare checkpoints that somebody else kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from pydantic import ValidationError

from estate import canonical
from estate.errors import BadInput, Denied
from estate.records import Model, explain
from policies.ledger import exports, leaves, merkle, notes
from policies.ledger.exports import CheckpointLine, Header, LeafLine, LogSize
from policies.ledger.leaves import Content, Leaf
from policies.ledger.merkle import Frontier
from policies.ledger.notes import VerifierKey
from policies.ledger.ordering import Order


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that does not hold, and where. Without a log it is the header or the file's end."""

    line: int
    reason: str
    log: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        place = f"entry {self.index} of {self.log}" if self.index is not None else self.log or "the export"
        return f"{place} (line {self.line}): {self.reason}"


@dataclass(frozen=True, slots=True)
class LogReport:
    """A log that holds: its size, its root in hexadecimal, and how many of its bodies were erased."""

    origin: str
    size: int
    root: str
    erased: int
    checkpoints: int


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found. `keys` are the given keys that signed; their fingerprints are for people."""

    installation: str
    logs: tuple[LogReport, ...]
    keys: tuple[VerifierKey, ...]
    fault: Fault | None

    @property
    def holds(self) -> bool:
        """Whether everything in the file is as it was written."""
        return self.fault is None

    @property
    def entries(self) -> int:
        """Entries of the install log that were checked."""
        return next((log.size for log in self.logs if log.origin.endswith("/install")), 0)

    @property
    def without_body(self) -> int:
        """Entries that stand and whose body the file does not hold: erased by its keeper, or taken out of this copy."""
        return sum(log.erased for log in self.logs)


def verify(lines: Iterable[bytes], trusted: Iterable[VerifierKey]) -> Report:
    """Check an export, given as its lines with their line ends. Never raises for what a file may hold."""
    checking = _Checking(enumerate(lines, start=1), tuple(trusted))
    fault: Fault | None = None
    try:
        checking.run()
    except _Broken as broken:
        fault = broken.fault
    return Report(checking.installation, tuple(checking.done), tuple(checking.signers), fault)


class _Broken(Exception):
    """The first fault, on its way out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(slots=True)
class _Log:
    """What is known of a log while and after it is read."""

    origin: str
    frontier: Frontier = field(default_factory=Frontier)
    roots: list[bytes] = field(default_factory=lambda: [merkle.EMPTY_ROOT])
    keys: list[str] = field(default_factory=list)
    erased: int = 0
    checkpoints: int = 0
    signed: int = -1
    """The size of the newest checkpoint read."""
    named: int = 0
    """For a tenant's log: the size that the install log has accounted for."""


class _Checking:
    """One pass over the lines."""

    def __init__(self, lines: Iterator[tuple[int, bytes]], trusted: tuple[VerifierKey, ...]) -> None:
        self._lines = lines
        self._trusted = trusted
        self._line = 0
        self._at: tuple[str | None, int | None] = (None, None)
        self._logs: dict[str, _Log] = {}
        self._order = Order()
        self.installation = ""
        self.signers: dict[VerifierKey, None] = {}
        self.done: list[LogReport] = []

    def run(self) -> None:
        """Check everything; raises _Broken at the first fault."""
        header = self._header()
        for log in header.logs:
            self._log(log, install=log is header.logs[-1])
        self._at = (None, None)
        self._all_accounted_for()
        if (more := next(self._lines, None)) is not None:
            self._line = more[0]
            self._broken("nothing may follow the last checkpoint; the file was added to")

    def _header(self) -> Header:
        header = self._next(Header)
        self.installation = str(header.installation)
        self._trusted = tuple(k for k in self._trusted if k.name == notes.ledger_key(header.installation, b"").name)
        if not self._trusted:
            self._broken(f"no key of `placet-ledger/{header.installation}` was given; give the ledger's `.vkey`")
        if header.fingerprint not in {key.fingerprint for key in self._trusted}:
            self._broken(f"the file names key `{header.fingerprint}`, which is none of those given")
        origins = [log.origin for log in header.logs]
        install = leaves.install_origin(header.installation)
        ours = all(o.startswith(install.removesuffix("install")) for o in origins)
        if not ours or origins != exports.order(set(origins)) or origins[-1:] != [install]:
            self._broken("the logs named are not this installation's, tenants' by name and the install log last")
        return header

    def _log(self, size: LogSize, *, install: bool) -> None:
        log = self._logs[size.origin] = _Log(size.origin)
        for index in range(size.size):
            self._at = (log.origin, index)
            self._leaf(log, index, install=install)
        self._at = (log.origin, size.size - 1 if size.size else None)
        while not self._checkpoint(log, size.size):
            pass
        root = log.frontier.root.hex()
        self.done.append(LogReport(log.origin, size.size, root, log.erased, log.checkpoints))

    def _leaf(self, log: _Log, index: int, *, install: bool) -> None:
        line = self._next(LeafLine)
        leaf, hashed = line.leaf, merkle.leaf_hash(line.leaf.canonical())
        if (leaf.log, leaf.index) != (log.origin, index):
            self._broken(f"entry {leaf.index} of `{leaf.log}` stands in its place")
        if hashed.hex() != line.hash:
            self._broken("it does not fit its recorded hash; the entry was changed after it was written")
        self._check_chain(log, leaf)
        content = self._content(line, log)
        if leaf.tenants and not install:
            self._broken("an entry of a tenant's log names other logs")
        for head in leaf.tenants:
            self._check_head(head, leaf)
        if install and (fault := self._order.fault(leaf, content.read_body if content else None)):
            self._broken(fault)
        log.frontier, _ = log.frontier.append(hashed)
        log.roots.append(log.frontier.root)
        log.keys.append(leaf.key)

    def _check_chain(self, log: _Log, leaf: Leaf) -> None:
        if leaf.prev == leaves.written(log.frontier.root):
            return
        if leaf.index == 0:
            self._broken("it claims entries before it, and it is the first")
        self._line, self._at = self._line - 1, (log.origin, leaf.index - 1)
        self._broken("it is not the entry that the next one was appended to; it was replaced")

    def _content(self, line: LeafLine, log: _Log) -> Content | None:
        if line.content is None:
            log.erased += 1
            return None
        try:
            content = line.content.content()
        except (BadInput, ValueError) as error:
            self._broken(f"its content is malformed: {error}")
        if content.body_hash != line.leaf.body:
            self._broken("its body does not fit the salted hash in the leaf; the body was changed")
        if content.signed_by != line.leaf.by:
            self._broken("its author does not fit the leaf; the author was changed")
        return content

    def _check_head(self, head: leaves.TenantHead, leaf: Leaf) -> None:
        log = self._logs.get(head.origin)
        if log is None or log.origin == leaf.log:
            self._broken(f"it names log `{head.origin}`, which the file does not hold")
        if head.size != log.named + 1 or head.size > log.frontier.size:
            self._broken(f"it names size {head.size} of `{head.origin}` after size {log.named}; entries are missing")
        if head.root != leaves.written(log.roots[head.size]) or log.keys[head.size - 1] != leaf.key:
            self._broken(f"entry {head.size - 1} of `{head.origin}` is not the projection that was written with it")
        log.named = head.size

    def _checkpoint(self, log: _Log, size: int) -> bool:
        """Check one checkpoint; whether it is the one for the whole log."""
        note = self._next(CheckpointLine).note
        try:
            checkpoint, signers = notes.open_checkpoint(note, self._trusted)
        except Denied as error:
            self._broken(str(error))
        if checkpoint.origin != log.origin:
            self._broken(f"the checkpoint is for `{checkpoint.origin}`")
        if checkpoint.head.size > size:
            self._broken(f"a checkpoint was signed for {checkpoint.head.size} entries; the rest is missing")
        if checkpoint.head.root != log.roots[checkpoint.head.size]:
            self._broken(f"the signed root at size {checkpoint.head.size} is another; entries were replaced before it")
        if checkpoint.head.size <= log.signed:
            self._broken(f"a checkpoint for {checkpoint.head.size} entries follows one for {log.signed}")
        log.signed, log.checkpoints = checkpoint.head.size, log.checkpoints + 1
        self.signers.update(dict.fromkeys(signers))
        return checkpoint.head.size == size

    def _all_accounted_for(self) -> None:
        for log in self._logs.values():
            if log.origin.endswith("/install") or log.named == log.frontier.size:
                continue
            self._at = (log.origin, log.named)
            self._broken("no entry of the install log accounts for it")

    def _next[M: Model](self, model: type[M]) -> M:
        """The next line as a `model`, in its one canonical form."""
        try:
            self._line, data = next(self._lines)
        except StopIteration:
            self._line += 1
            self._broken("the export ends here; the rest is missing")
        try:
            read = model.model_validate(canonical.loads(data))
            fits = read.canonical() + b"\n" == data
        except ValidationError as error:
            self._broken(f"not the line expected here: {explain(error)}")
        except (BadInput, RecursionError) as error:
            self._broken(str(error))
        if not fits:
            self._broken("the line is not in canonical form; it was changed")
        return read

    def _broken(self, reason: str) -> NoReturn:
        log, index = self._at
        raise _Broken(Fault(self._line, reason, log, index))
