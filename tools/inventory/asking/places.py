"""How far each log was read, on disk: so that a restart goes on behind the last line that was told, and no earlier.

Called by `logs`. A file is known by its inode and by how it begins, because rotation renames or copies it, and inodes
are used again. Damage costs what a missing place costs: the log is watched from its end on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import structlog
from pydantic import Field

from estate import canonical
from estate.errors import BadInput, NewerRecord
from estate.records import Record

log = structlog.get_logger(__name__)

HEAD = 256
"""Bytes by which a file is known: a log's first line has a time, or the kernel's seconds."""


class Place(Record):
    """Where one log was read last."""

    kind: Literal["placet.log-place"] = "placet.log-place"
    v: Literal[1] = 1
    inode: str = Field(max_length=32)
    """As text: some are too large for JSON's numbers."""
    offset: int = Field(ge=0, lt=2**53)
    known_by: int = Field(ge=0, le=HEAD)
    """How many bytes of its beginning `head` is of."""
    head: str = Field(max_length=128)

    @classmethod
    def of(cls, file: BinaryIO, offset: int) -> Place:
        """That place in an open file, whose position is another one then."""
        known_by = min(offset, HEAD)
        return cls(inode=str(_inode(file)), offset=offset, known_by=known_by, head=_head(file, known_by))

    def is_in(self, file: BinaryIO) -> bool:
        """Whether the open file is the one, as it was or longer; a copy that was made of it is."""
        there = os.fstat(file.fileno())
        if there.st_size < self.offset or _head(file, self.known_by) != self.head:
            return False
        return self.known_by > 0 or str(there.st_ino) == self.inode


@dataclass(frozen=True, slots=True)
class Places:
    """The places of several logs, a file for each in one folder."""

    folder: Path

    def load(self, name: str) -> Place | None:
        """Where that log was read last; None where nobody knows."""
        path = self._path(name)
        try:
            return Place.read(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, BadInput, NewerRecord) as error:
            log.warning("place of a log not used", file=str(path), reason=str(error))
            return None

    def save(self, name: str, place: Place) -> None:
        """Keep it. A full disk is reported; then the lines since are told again after a restart."""
        path = self._path(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (partial := path.with_suffix(".partial")).write_bytes(place.canonical())
            partial.replace(path)
        except OSError as error:
            log.warning("place of a log not kept", file=str(path), reason=str(error))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.place.json"


def resumed(path: Path, place: Place) -> list[BinaryIO]:
    """The files that hold what was written since, opened, oldest first; empty where the place is in none of them.

    Rotation moves a log aside under a longer name: `kern.log.1`, `kern.log-20261126`. What is packed is not read.
    """
    found: list[BinaryIO] = []
    for file in _opened(path):
        if place.is_in(file):
            for older in found:
                older.close()
            found = [file]
        elif found:
            found.append(file)
        else:
            file.close()
    return found


def _opened(path: Path) -> Iterator[BinaryIO]:
    """The log and those that were moved aside, by the time of their last line; the log itself last."""
    beside = [p for p in path.parent.glob(f"{path.name}?*") if p.suffix not in (".gz", ".xz", ".zst", ".bz2")]
    for at in (*sorted(beside, key=_written), path):
        with suppress(OSError):
            yield at.open("rb")


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _head(file: BinaryIO, size: int) -> str:
    file.seek(0)
    return canonical.digest(file.read(size))
