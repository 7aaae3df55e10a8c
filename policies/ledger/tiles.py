"""Logs as C2SP tiles: a directory that any static file server can serve and any monitor of that format can read.

Each log lies under its origin: `checkpoint`, the hashes under `tile/<level>/`, the leaves themselves under
`tile/entries/`. Bodies are not in it, only their salted hashes: it can be public where the export cannot. Written from
an export that was verified (`placet ledger export --format tiles`), read back by `verify`. A leaf of more than 65 535
bytes, as one that concerns some five hundred tenants, has no place in an entry bundle and is refused.

https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from estate.errors import BadInput, Denied
from estate.ids import InstallationId
from policies.ledger import lines, merkle, notes
from policies.ledger.exports import CheckpointLine, Header
from policies.ledger.merkle import Growing
from policies.ledger.reports import Fault, LogReport, Report
from policies.ledger.signatories import Signatories
from policies.ledger.verifier_keys import VerifierKey

WIDTH = 256
_LENGTH = struct.Struct(">H")
LARGEST_ENTRY = 2**16 - 1


@dataclass(slots=True)
class _Log:
    entries: list[bytes] = field(default_factory=list)
    note: str = ""


def of_export(export: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Every file of the tiles of an export's logs: its path, and what is in it. The export is taken at its word.

    Raises:
        BadInput: it is no export, or a leaf is too long for a bundle.
    """
    export = iter(export)
    try:
        header = lines.strict(next(export, b""), Header)
        for origin, log in _logs(header, export):
            yield from _files(origin, log)
    except lines.Broken as broken:
        raise BadInput(f"not an export of a ledger: {broken}; verify it first") from broken


def _logs(header: Header, export: Iterator[bytes]) -> Iterator[tuple[str, _Log]]:
    for size in header.logs:
        log = _Log([lines.read(next(export, b"")).data for _ in range(size.size)])
        while not log.note or notes.read_checkpoint(log.note).head.size < size.size:
            log.note = lines.strict(next(export, b""), CheckpointLine).note
        yield size.origin, log


def _files(origin: str, log: _Log) -> Iterator[tuple[str, bytes]]:
    yield f"{origin}/checkpoint", log.note.encode()
    for place, bundle in _tiled(log.entries):
        yield f"{origin}/tile/entries/{place}", b"".join(map(_bundled, bundle))
    hashes, level = [merkle.leaf_hash(entry) for entry in log.entries], 0
    while hashes:
        for place, tile in _tiled(hashes):
            yield f"{origin}/tile/{level}/{place}", b"".join(tile)
        full = range(0, len(hashes) - WIDTH + 1, WIDTH)
        hashes, level = [_root(hashes[at : at + WIDTH]) for at in full], level + 1


def _bundled(entry: bytes) -> bytes:
    if len(entry) > LARGEST_ENTRY:
        raise BadInput(f"an entry of {len(entry)} bytes has no place in a tile; export without `--format tiles`")
    return _LENGTH.pack(len(entry)) + entry


def _tiled[T](items: Sequence[T]) -> Iterator[tuple[str, Sequence[T]]]:
    for at in range(0, len(items), WIDTH):
        tile = items[at : at + WIDTH]
        partial = "" if len(tile) == WIDTH else f".p/{len(tile)}"
        yield f"{_place(at // WIDTH)}{partial}", tile


def _place(number: int) -> str:
    """1234067 is `x001/x234/067`."""
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03}")
    return "/".join(reversed(parts))


def _root(hashes: Sequence[bytes]) -> bytes:
    tree = Growing()
    for hashed in hashes:
        tree.add(hashed)
    return tree.root


def verify(folder: Path, trusted: Iterable[VerifierKey], seen: Iterable[str] = ()) -> Report:
    """Check a directory of tiles: every leaf, every tile, every checkpoint. Raises BadInput: there are none."""
    found = {path.parent.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("checkpoint"))}
    install = next((origin for origin in found if origin.endswith("/install")), None)
    if install is None:
        raise BadInput(f"{folder}: no tiles of a ledger; write some with `placet ledger export --format tiles`")
    signatories = Signatories.of(InstallationId(install.split("/")[1]), trusted)
    checking = _Checking(folder, signatories)
    size = checking.read(install, None)
    for origin in found:
        if origin != install:
            checking.read(origin, size)
    checking.compare(seen)
    return Report(install.split("/")[1], tuple(checking.done), tuple(checking.signers), tuple(checking.faults))


@dataclass(slots=True)
class _Checking:
    folder: Path
    signatories: Signatories
    faults: list[Fault] = field(default_factory=list)
    done: list[LogReport] = field(default_factory=list)
    signers: dict[VerifierKey, None] = field(default_factory=dict)
    roots: dict[str, list[bytes]] = field(default_factory=dict)

    def read(self, origin: str, install_size: int | None) -> int:
        """Check one log; the size that its checkpoint names."""
        try:
            note = (self.folder / origin / "checkpoint").read_text()
            checkpoint, signers = notes.open_checkpoint(note, self.signatories.all)
            size = checkpoint.head.size
            if checkpoint.origin != origin:
                raise Denied(f"the checkpoint is for `{checkpoint.origin}`")
            files = dict(self._stored(origin, size))
            entries = [*_unbundled(files)]
        except (Denied, BadInput, OSError, ValueError, struct.error) as error:
            self._fault(origin, f"{error}")
            return 0
        self.signers.update(dict.fromkeys(signers))
        install = install_size is None
        fault = self.signatories.fault(
            size if install_size is None else install_size, signers, install=install, newest=True
        )
        if fault is not None:
            self._fault(origin, fault)
        self._compare_tiles(origin, _Log(entries, note), files)
        roots = self.roots[origin] = [*_roots(entries)]
        if len(entries) != size or roots[-1] != checkpoint.head.root:
            self._fault(origin, f"{len(entries)} entries do not make the root that was signed for {size}")
        self.done.append(LogReport(origin, size, roots[-1].hex(), 0, 1))
        return size

    def _stored(self, origin: str, size: int) -> Iterator[tuple[str, bytes]]:
        """The files that a log of that size has, by path."""
        for level, count in _levels(size):
            for place, _ in _tiled(range(count)):
                path = f"{origin}/tile/{level}/{place}"
                yield path, (self.folder / path).read_bytes()

    def _compare_tiles(self, origin: str, log: _Log, files: Mapping[str, bytes]) -> None:
        for path, data in _files(origin, log):
            if path in files and files[path] != data:
                self._fault(origin, f"`{path}` is not the tile of these entries; it was changed")

    def compare(self, seen: Iterable[str]) -> None:
        """Hold the logs to checkpoints that were kept."""
        for note in seen:
            checkpoint = notes.open_checkpoint(note, self.signatories.all).checkpoint
            origin, head = checkpoint.origin, checkpoint.head
            roots = self.roots.get(origin, [])
            if head.size >= len(roots) or roots[head.size] != head.root:
                self._fault(origin, f"a checkpoint of {head.size} entries was kept that these tiles do not continue")

    def _fault(self, origin: str, reason: str) -> None:
        self.faults.append(Fault(0, reason, origin))


def _levels(size: int) -> Iterator[tuple[str, int]]:
    yield "entries", size
    level = 0
    while size:
        yield str(level), size
        size, level = size // WIDTH, level + 1


def _unbundled(files: Mapping[str, bytes]) -> Iterator[bytes]:
    for path, data in files.items():
        if "/tile/entries/" not in path:
            continue
        at = 0
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            yield data[at + _LENGTH.size : at + _LENGTH.size + length]
            at += _LENGTH.size + length


def _roots(entries: Iterable[bytes]) -> Iterator[bytes]:
    tree = Growing()
    yield tree.root
    for entry in entries:
        tree.add(merkle.leaf_hash(entry))
        yield tree.root
