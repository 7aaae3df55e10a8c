"""Checks an exported ledger offline, against public keys that were given: the outsider's side of the ledger.

Nothing inside the file is trusted but what a given key signed. Checked, line by line: form, each leaf against its
recorded hash, its predecessor's root and its content; each entry against the tenants' logs it names and against the
order of `policies.ledger.ordering`; the checkpoints against the roots. Every fault is named by log, index and line;
where a file stops making sense, reading stops too. An older state of the whole ledger, or one that a thief of its key
rewrote, shows only against somebody outside: a witness whose key is given, or checkpoints that were kept (`seen`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from estate.errors import Denied
from estate.records import Model
from policies.ledger import exports, leaves, lines, merkle, notes
from policies.ledger.exports import CheckpointLine, Header, LogSize
from policies.ledger.forms import Head, Leaf
from policies.ledger.lines import Broken, Content
from policies.ledger.merkle import Growing
from policies.ledger.ordering import Order
from policies.ledger.port import EntryKind
from policies.ledger.reports import Fault, LogReport, Report
from policies.ledger.signatories import Signatories
from policies.ledger.verifier_keys import VerifierKey

MOST_FAULTS = 1000


def verify(export: Iterable[bytes], trusted: Iterable[VerifierKey], seen: Iterable[str] = ()) -> Report:
    """Check an export, given as its lines with their line ends. Never raises for what a file may hold.

    Every witness among `trusted` must have cosigned the newest checkpoint of the install log; `seen` are checkpoints
    that somebody kept, which the logs must continue.
    """
    checking = _Checking(enumerate(export, start=1), tuple(trusted), tuple(seen))
    with suppress(_Stopped):
        checking.run()
    done, signers = tuple(checking.done), tuple(checking.signers)
    return Report(checking.installation, done, signers, tuple(checking.faults), checking.erasures)


class _Stopped(Exception):
    """What follows in the file cannot be understood any more."""


@dataclass(slots=True)
class _Log:
    """What is known of a log while and after it is read."""

    origin: str
    tree: Growing = field(default_factory=Growing)
    roots: list[bytes] = field(default_factory=lambda: [merkle.EMPTY_ROOT])
    keys: list[str] = field(default_factory=list)
    erased: int = 0
    checkpoints: int = 0
    signed: int = -1
    """The size of the newest checkpoint read."""
    named: int = 0
    """For a tenant's log: the size that the install log has accounted for."""
    adrift: bool = False
    """An entry was replaced: the roots after it are others, and say nothing of the entries after it."""


class _Checking:
    """One pass over the lines."""

    def __init__(
        self, export: Iterator[tuple[int, bytes]], trusted: tuple[VerifierKey, ...], seen: tuple[str, ...]
    ) -> None:
        self._lines = export
        self._trusted = trusted
        self._seen = seen
        self._signatories = Signatories((), (), ())
        self._line = 0
        self._at: tuple[str | None, int | None] = (None, None)
        self._logs: dict[str, _Log] = {}
        self._order = Order()
        self._size = 0
        """Of the install log, as the header says."""
        self.installation = ""
        self.signers: dict[VerifierKey, None] = {}
        self.done: list[LogReport] = []
        self.faults: list[Fault] = []
        self.erasures = 0

    def run(self) -> None:
        """Check everything; raises _Stopped where the rest cannot be read."""
        header = self._header()
        for log in header.logs:
            self._log(log, install=log is header.logs[-1])
        self._at = (None, None)
        if not self.faults:
            self._all_accounted_for()
        self._compare_seen()
        if (more := next(self._lines, None)) is not None:
            self._line = more[0]
            self._stop("nothing may follow the last checkpoint; the file was added to")

    def _header(self) -> Header:
        header = self._next(Header)
        self.installation = str(header.installation)
        self._signatories = known = Signatories.of(header.installation, self._trusted)
        if not known.ledger:
            self._stop(f"no key of `placet-ledger/{header.installation}` was given; give the ledger's `.vkey`")
        if header.fingerprint not in {key.fingerprint for key in known.ledger}:
            self._stop(f"the file names key `{header.fingerprint}`, which is none of those given")
        origins = [log.origin for log in header.logs]
        install = leaves.install_origin(header.installation)
        ours = all(o.startswith(install.removesuffix("install")) for o in origins)
        if not ours or origins != exports.order(set(origins)) or origins[-1:] != [install]:
            self._stop("the logs named are not this installation's, tenants' by name and the install log last")
        self._size = header.logs[-1].size
        return header

    def _log(self, size: LogSize, *, install: bool) -> None:
        log = self._logs[size.origin] = _Log(size.origin)
        for index in range(size.size):
            self._at = (log.origin, index)
            self._leaf(log, index, install=install)
        self._at = (log.origin, size.size - 1 if size.size else None)
        while not self._checkpoint(log, size.size, install=install):
            pass
        root = log.tree.root.hex()
        self.done.append(LogReport(log.origin, size.size, root, log.erased, log.checkpoints))

    def _leaf(self, log: _Log, index: int, *, install: bool) -> None:
        try:
            line = lines.read(self._take())
        except Broken as broken:
            self._stop(str(broken))
        leaf, hashed = line.leaf, merkle.leaf_hash(line.data)
        if (leaf.log, leaf.index) != (log.origin, index):
            self._stop(f"entry {leaf.index} of `{leaf.log}` stands in its place")
        if hashed.hex() != line.hash:
            self._fault("it does not fit its recorded hash; the entry was changed after it was written")
            hashed = _recorded(line.hash) or hashed
        else:
            self._check_chain(log, leaf)
        body = self._check_content(line.content, leaf, log)
        if leaf.tenants and not install:
            self._fault("an entry of a tenant's log names other logs")
        for head in leaf.tenants if install else ():
            self._check_head(head, leaf)
        if install:
            if fault := self._order.fault(leaf, body.body if body else None):
                self._fault(fault)
            self._count_erasures(leaf, body)
        log.tree.add(hashed)
        log.roots.append(log.tree.root)
        log.keys.append(leaf.key)

    def _check_chain(self, log: _Log, leaf: Leaf) -> None:
        if log.adrift or leaf.prev == leaves.written(log.roots[-1]):
            return
        log.adrift = True
        if leaf.index == 0:
            self._fault("it claims entries before it, and it is the first")
            return
        self._fault("it is not the entry that the next one was appended to; it was replaced", back=1)

    def _check_content(self, content: Content | None, leaf: Leaf, log: _Log) -> Content | None:
        if content is None:
            log.erased += 1
            return None
        if content.body_hash != leaf.body:
            self._fault("its body does not fit the salted hash in the leaf; the body was changed")
        if content.signed_by != leaf.by:
            self._fault("its author does not fit the leaf; the author was changed")
        return content

    def _check_head(self, head: Head, leaf: Leaf) -> None:
        log = self._logs.get(head.origin)
        if log is None or log.origin == leaf.log:
            self._stop(f"it names log `{head.origin}`, which the file does not hold")
        if head.size != log.named + 1 or head.size > log.tree.size:
            self._stop(f"it names size {head.size} of `{head.origin}` after size {log.named}; entries are missing")
        other_root = head.root != leaves.written(log.roots[head.size]) and not log.adrift
        if other_root or log.keys[head.size - 1] != leaf.key:
            self._fault(f"entry {head.size - 1} of `{head.origin}` is not the projection that was written with it")
        log.named = head.size

    def _count_erasures(self, leaf: Leaf, content: Content | None) -> None:
        count = content.body.get("bodies") if content is not None and leaf.entry is EntryKind.ERASED else None
        self.erasures += count if isinstance(count, int) else 0

    def _checkpoint(self, log: _Log, size: int, *, install: bool) -> bool:
        """Check one checkpoint; whether it is the one for the whole log."""
        note = self._next(CheckpointLine).note
        try:
            checkpoint, signers = notes.open_checkpoint(note, self._signatories.all)
        except Denied as error:
            self._stop(str(error))
        head = checkpoint.head
        if checkpoint.origin != log.origin:
            self._stop(f"the checkpoint is for `{checkpoint.origin}`")
        if head.size > size:
            self._stop(f"a checkpoint was signed for {head.size} entries; the rest is missing")
        if head.root != log.roots[head.size]:
            self._fault(f"the signed root at size {head.size} is another; entries were replaced before it")
        if head.size <= log.signed:
            self._stop(f"a checkpoint for {head.size} entries follows one for {log.signed}")
        newest = head.size == size
        if fault := self._signatories.fault(
            head.size if install else self._size, signers, install=install, newest=newest
        ):
            self._fault(f"the checkpoint for {head.size} entries: {fault}")
        log.signed, log.checkpoints = head.size, log.checkpoints + 1
        self.signers.update(dict.fromkeys(signers))
        return newest

    def _all_accounted_for(self) -> None:
        for log in self._logs.values():
            if log.origin.endswith("/install") or log.named == log.tree.size:
                continue
            self._at = (log.origin, log.named)
            self._stop("no entry of the install log accounts for it")

    def _compare_seen(self) -> None:
        """Hold the logs to what others were shown of them."""
        for note in self._seen:
            try:
                origin, head = (opened := notes.open_checkpoint(note, self._signatories.all)[0]).origin, opened.head
            except Denied as error:
                self._fault(f"a checkpoint that was kept: {error}")
                continue
            self._at, log = (origin, None), self._logs.get(origin)
            size = log.tree.size if log else 0
            if log is None or head.size > size:
                self._fault(f"a checkpoint of {head.size} entries was kept, this log has {size}; it was cut off")
            elif head.root != log.roots[head.size]:
                self._fault(f"a checkpoint of {head.size} entries was kept with another root; two histories were shown")
        self._at = (None, None)

    def _next[M: Model](self, model: type[M]) -> M:
        """The next line as a `model`, in its one canonical form."""
        try:
            return lines.strict(self._take(), model)
        except Broken as broken:
            self._stop(str(broken))

    def _take(self) -> bytes:
        try:
            self._line, data = next(self._lines)
        except StopIteration:
            self._line += 1
            self._stop("the export ends here; the rest is missing")
        return data

    def _fault(self, reason: str, *, back: int = 0) -> None:
        """Note a fault and go on. `back`: it is that many entries, and lines, further up."""
        log, index = self._at
        self.faults.append(Fault(self._line - back, reason, log, None if index is None else index - back))
        if len(self.faults) >= MOST_FAULTS:
            raise _Stopped

    def _stop(self, reason: str) -> NoReturn:
        self._fault(reason)
        raise _Stopped


def _recorded(text: str) -> bytes | None:
    try:
        recorded = bytes.fromhex(text)
    except ValueError:
        return None
    return recorded if len(recorded) == merkle.HASH_BYTES else None
