"""Checks an exported ledger offline, against public keys that were given: the outsider's side of the ledger.

Nothing inside the file is trusted but what a given key signed. Checked, line by line: form, each leaf against its
recorded hash, its predecessor's root and its content (`stretches`, by several processes where they are allowed); each
entry against the tenants' logs it names and against the order of `policies.ledger.ordering`; the checkpoints against
the roots. Every fault is named by log, index and line; where a file stops making sense, reading stops too. An older
state of the whole ledger, or one that a thief of its key rewrote, shows only against somebody outside: a witness whose
key is given, or checkpoints that were kept (`seen`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NoReturn

from estate.errors import Denied
from estate.records import Model
from policies.ledger import exports, leaves, lines, merkle, notes
from policies.ledger.exports import CheckpointLine, Header, LogSize
from policies.ledger.forms import Head
from policies.ledger.lines import Broken
from policies.ledger.logs import KINDS, Entry, Log
from policies.ledger.ordering import Order
from policies.ledger.reports import Fault, LogReport, Report
from policies.ledger.sharing import Here, Share, shared
from policies.ledger.signatories import Signatories
from policies.ledger.stretches import Checked, Doubt, Stretch
from policies.ledger.verifier_keys import VerifierKey

MOST_FAULTS = 1000
LONGEST_STRETCH, LARGEST_STRETCH = 1024, 2**20
"""Lines, and bytes, after which a stretch is checked: whichever comes first."""
WORTH_SHARING = 20_000
"""Entries that one process checks in about the time that others take to start."""


def verify(
    export: Iterable[bytes], trusted: Iterable[VerifierKey], seen: Iterable[str] = (), *, processes: int = 1
) -> Report:
    """Check an export, given as its lines with their line ends. Never raises for what a file may hold.

    Every witness among `trusted` must have cosigned the newest checkpoint of the install log; `seen` are checkpoints
    that somebody kept, which the logs must continue. A large export is checked by that many processes.

    Raises:
        RetryLater: one of several processes was ended.
    """
    checking = _Checking(enumerate(export, start=1), tuple(trusted), tuple(seen))
    with suppress(_Stopped):
        checking.run(processes)
    done, signers = tuple(checking.done), tuple(checking.signers)
    return Report(checking.installation, done, signers, tuple(checking.faults), checking.erasures)


class _Stopped(Exception):
    """What follows in the file cannot be understood any more."""


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
        self._share: Share = Here()
        self._logs: dict[str, Log] = {}
        self._order = Order()
        self._size = 0
        """Of the install log, as the header says."""
        self.installation = ""
        self.signers: dict[VerifierKey, None] = {}
        self.done: list[LogReport] = []
        self.faults: list[Fault] = []
        self.erasures = 0

    def run(self, processes: int) -> None:
        """Check everything; raises _Stopped where the rest cannot be read."""
        header = self._header()
        worth = sum(log.size for log in header.logs) >= WORTH_SHARING
        with shared(processes if worth else 1) as self._share:
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
        log = self._logs[size.origin] = Log(size.origin, begins=self._line + 1)
        for stretch in self._cut(log, size.size):
            for checked in self._share.give(stretch):
                self._take_in(log, checked, install=install)
        for checked in self._share.rest():
            self._take_in(log, checked, install=install)
        self._go_to(log)
        if log.size < size.size:
            self._stop("the export ends here; the rest is missing")
        self._line, self._at = self._line - 1, (log.origin, size.size - 1 if size.size else None)
        while not self._checkpoint(log, size.size, install=install):
            pass
        self.done.append(LogReport(log.origin, size.size, log.root(size.size).hex(), log.erased, log.checkpoints))

    def _cut(self, log: Log, size: int) -> Iterator[Stretch]:
        """The log in stretches, as far as there are lines."""
        left = size
        while left:
            first, peaks, taken, held = log.tree.size, log.tree.peaks, list[bytes](), 0
            while left and len(taken) < LONGEST_STRETCH and held < LARGEST_STRETCH:
                number, line = next(self._lines, (0, b""))
                if not number:
                    left = 0
                    break
                self._line, left, held = number, left - 1, held + len(line)
                taken.append(line)
                log.tree.add(lines.recorded(line))
            if taken:
                yield Stretch(log.origin, first, peaks, taken)

    def _take_in(self, log: Log, checked: Checked, *, install: bool) -> None:
        """What was found in a stretch, and what only several logs, or the order of entries, can show."""
        log.roots += checked.roots
        log.erased += checked.erased
        doubts = deque(checked.doubts)
        columns = zip(checked.keys, checked.kinds, checked.proposals, strict=True)
        for at, (key, kind, proposal) in enumerate(columns):
            self._go_to(log)
            while doubts and doubts[0].at == at:
                self._doubt(log, doubts.popleft())
            for head in checked.heads.get(at, ()) if install else ():
                self._check_head(head, key, log)
            if install:
                entry = Entry(key, KINDS[kind], proposal)
                if fault := self._order.fault(entry, permitted=at not in checked.refused):
                    self._fault(fault)
            elif at in checked.heads:
                self._fault("an entry of a tenant's log names other logs")
            log.size += 1
        if not install:
            log.keys += checked.keys
        self.erasures += checked.erasures if install else 0
        if checked.broken:
            self._go_to(log)
            self._stop(checked.broken)

    def _go_to(self, log: Log) -> None:
        """To the entry after those that were taken in."""
        self._line, self._at = log.begins + log.size, (log.origin, log.size)

    def _doubt(self, log: Log, doubt: Doubt) -> None:
        if not doubt.chain:
            self._fault(doubt.reason)
        elif not log.adrift:
            log.adrift = True
            if log.size == 0:
                self._fault("it claims entries before it, and it is the first")
            else:
                self._fault("it is not the entry that the next one was appended to; it was replaced", back=1)

    def _check_head(self, head: Head, key: str, install: Log) -> None:
        log = self._logs.get(head.origin)
        if log is None or log is install:
            self._stop(f"it names log `{head.origin}`, which the file does not hold")
        if head.size != log.named + 1 or head.size > log.size:
            self._stop(f"it names size {head.size} of `{head.origin}` after size {log.named}; entries are missing")
        other_root = head.root != merkle.written(log.root(head.size)) and not log.adrift
        if other_root or log.keys[head.size - 1] != key:
            self._fault(f"entry {head.size - 1} of `{head.origin}` is not the projection that was written with it")
        log.named = head.size

    def _checkpoint(self, log: Log, size: int, *, install: bool) -> bool:
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
        if head.root != log.root(head.size):
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
            if log.origin.endswith("/install") or log.named == log.size:
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
            size = log.size if log else 0
            if log is None or head.size > size:
                self._fault(f"a checkpoint of {head.size} entries was kept, this log has {size}; it was cut off")
            elif head.root != log.root(head.size):
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
