"""Objects that files declare for a cluster: what a repository or a rendered chart says should be there.

Read by `source`, which compares them with what is there (`drifting`); nothing of them is ever applied. Refused as a
whole, with file and document: what is no object, and one that is named twice. Kinds that the source does not watch are
left out, and named, because a chart holds more than Placet reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import yaml

from estate.errors import BadInput
from tools.drift.objects import Identity
from tools.inventory import files
from tools.inventory.kubernetes.drifting import COMPARED
from tools.kubernetes.fields import Raw

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Declared:
    """What files say should be there."""

    objects: dict[str, Raw] = field(default_factory=dict)
    """By what people call each: `Deployment tenant-a/serve`."""
    left_out: frozenset[str] = frozenset()
    """Kinds of which objects are declared and nothing is compared."""


def load(paths: Iterable[Path]) -> Declared:
    """Every object that these files, and the files of these folders, declare.

    Raises:
        BadInput: a file cannot be read, or an object of it is none; the message names file and document.
    """
    objects, left_out = dict[str, Raw](), set[str]()
    for path in listed(paths):
        for number, written in enumerate(_documents(path), start=1):
            where = f"{path}, document {number}"
            identity = _identity(written, where)
            if (identity.api_version, identity.kind) not in COMPARED:
                left_out.add(identity.kind)
            elif identity.called() in objects:
                raise BadInput(f"{where}: `{identity.called()}` is declared twice; keep one")
            else:
                objects[identity.called()] = written
    return Declared(objects, frozenset(left_out))


def listed(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files, and those of folders, by name. Raises BadInput where one is not there."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: is not there; check the name")
        found += sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES) if path.is_dir() else [path]
    return tuple(found)


def _documents(path: Path) -> Iterator[Any]:
    """The documents of a file, and the items of lists among them."""
    try:
        for document in yaml.load_all(files.read(path), Loader=_LOADER):
            if isinstance(document, dict) and isinstance(document.get("items"), list):
                yield from document["items"]
            elif document is not None:
                yield document
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is no YAML ({str(error).splitlines()[0]}); correct it") from error


def _identity(written: Any, where: str) -> Identity:
    identity = Identity.of(written) if isinstance(written, dict) else None
    if identity is None:
        raise BadInput(f"{where}: is no object with `apiVersion`, `kind` and `metadata.name`; correct it")
    return identity


class Repository:
    """Files that declare a cluster's objects, looked at again and again. Used by one task."""

    def __init__(self, paths: Iterable[Path], every_seconds: float = 2.0) -> None:
        self.paths, self._every = tuple(paths), every_seconds
        self._looked = float("-inf")
        self._seen: object = None

    async def news(self, now: float) -> Declared | None:
        """What they declare, where it may be otherwise than at the last look. Files that do not hold together change
        nothing and are reported once. `now` is of a clock that never goes back, in seconds.
        """
        if not self.paths or now - self._looked < self._every:
            return None
        self._looked = now
        return await asyncio.to_thread(self._read)

    def _read(self) -> Declared | None:
        try:
            sight = tuple((str(p), s.st_size, s.st_mtime_ns, s.st_ino) for p in listed(self.paths) for s in (p.stat(),))
            if sight == self._seen:
                return None
            self._seen = sight
            return load(self.paths)
        except (BadInput, OSError) as error:
            if str(error) != self._seen:
                log.error("declared objects refused", error=str(error))
                self._seen = str(error)
            return None
