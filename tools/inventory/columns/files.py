"""The columns in one file, so that a restart resumes in a second: raw chunks with a checksum each, indexes made anew.

Called by `tools.inventory.follower`. A file is a convenience and never a source of truth: one that is damaged, or of
another form, is refused with its reason, and the estate comes from the stream as ever. Facts stand in it as
they were signed, and are verified like any others. Values that no row holds any more are left out, so that a restart
forgets them.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import orjson

from estate.errors import BadInput
from estate.law import Facts
from estate.snapshots import SnapshotVersion
from tools.inventory.columns import forms
from tools.inventory.columns.engine import Inventory

_MAGIC: Final = b"placet columns 3\n"
_UNREADABLE: Final = (ValueError, LookupError, TypeError, ArithmeticError)


def save(path: Path, inventory: Inventory, version: SnapshotVersion, envelope: str) -> None:
    """Write the inventory as it is now under that version, with the signed facts that are in force.

    A crash leaves the file as it was, power that fails half a file at worst: it is refused then, and made anew.
    """
    head, parts = forms.written(inventory)
    about = head | {"version": version.json_form(), "facts": inventory.facts.facts_digest, "envelope": envelope}
    sections = [[name, len(part), zlib.crc32(part)] for name, part in parts.items()]
    text = orjson.dumps(about | {"sections": sections})
    (partial := path.with_suffix(".partial")).touch(mode=0o600)
    with partial.open("wb") as file:
        file.write(_MAGIC + len(text).to_bytes(8) + zlib.crc32(text).to_bytes(4) + text)
        for part in parts.values():
            file.write(part)
    partial.replace(path)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file held."""

    inventory: Inventory
    version: SnapshotVersion
    envelope: str


def load(path: Path, verify: Callable[[str], Facts]) -> Loaded:
    """What was written, under the facts that `verify` makes of the signed ones in it.

    Raises:
        BadInput: it is damaged, or another placet wrote it; delete it, it is made anew.
        Denied, BadInput: the facts do not verify.
    """
    with path.open("rb") as file:
        data = memoryview(file.read())
    try:
        about, parts = _sections(data)
        envelope = str(about["envelope"])
    except _UNREADABLE as error:
        raise _refusal(path, error) from error
    facts = verify(envelope)
    try:
        with _uncollected():
            inventory = forms.read(about, parts, facts)
        version = SnapshotVersion.model_validate(about["version"])
    except _UNREADABLE as error:
        raise _refusal(path, error) from error
    if about["facts"] != facts.facts_digest:
        inventory.obey(facts)
    return Loaded(inventory, version, envelope)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage while millions of things are made, of which none is any: a sixth of the time."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def _refusal(path: Path, error: Exception) -> BadInput:
    return BadInput(f"`{path.name}` is no inventory of this placet: {error}; delete it")


def _sections(data: memoryview) -> tuple[dict[str, Any], Mapping[str, memoryview]]:
    start = len(_MAGIC)
    if bytes(data[:start]) != _MAGIC:
        raise ValueError("it begins otherwise")
    length, check = int.from_bytes(data[start : start + 8]), int.from_bytes(data[start + 8 : start + 12])
    text = data[start + 12 : start + 12 + length]
    if zlib.crc32(text) != check:
        raise ValueError("the checksum of its heading is another one")
    about = orjson.loads(text)
    return about, dict(_cut(data[start + 12 + length :], about["sections"]))


def _cut(data: memoryview, sections: list[tuple[str, int, int]]) -> Iterator[tuple[str, memoryview]]:
    ends = list(accumulate(size for _, size, _ in sections))
    if ends and ends[-1] != len(data):
        raise ValueError(f"{len(data)} bytes of {ends[-1]} are there")
    for (name, size, check), end in zip(sections, ends, strict=True):
        part = data[end - size : end]
        if zlib.crc32(part) != check:
            raise ValueError(f"the checksum of `{name}` is another one")
        yield name, part
