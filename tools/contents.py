"""Digests of the code that is installed: the same for the same release on every machine, whatever its settings.

Called by `agents.roster` and the catalogue, once in a process. It reads the files of Placet's own packages as they lie
on disk, and of nothing else: not what the interpreter made of them, and not the libraries, whose versions the lock
fixes. Whoever changed what runs in memory is not seen here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from estate import canonical
from estate.errors import BadInput
from estate.ids import Digest

ROOT = Path(__file__).parents[1]
"""What the packages lie in: the tree, or where they were installed."""


@cache
def of_paths(*paths: str, root: Path = ROOT) -> Digest:
    """The digest of files and folders of code under `root`: of the name and the bytes of each file.

    Raises:
        BadInput: one of them is not there.
    """
    found = sorted({f for path in paths for f in _files(root / path)})
    return canonical.digest_of([[f.relative_to(root).as_posix(), _of_file(f)] for f in found])


@cache
def of_function(function: Callable[..., Any]) -> Digest:
    """The digest of the file in which a function is written."""
    return Digest(_of_file(Path(inspect.getfile(function))))


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise BadInput(f"`{path}` is not installed; install Placet anew")
    return _within(path)


def _within(folder: Path) -> Iterator[Path]:
    """What was shipped in a folder. What interpreters and editors leave beside it is none of the code."""
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")) or path.name.endswith((".pyc", "~")):
            continue
        if path.is_dir():
            yield from _within(path)
        else:
            yield path


def _of_file(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
