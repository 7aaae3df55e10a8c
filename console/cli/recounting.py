"""`placet ledger report`: an exported ledger's changes or providers as CSV that a spreadsheet opens safely."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from console.cli.verification import LONGEST_LINE
from estate.errors import BadInput
from policies import recounting
from policies.ledger import lines
from policies.ledger.exports import Header

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


def recounted(file: Path, *, changes: bool) -> str:
    """The report as CSV (RFC 4180) with a header.

    Raises:
        BadInput: it cannot be read, or is no export.
    """
    columns = recounting.CHANGES if changes else recounting.PROVIDERS
    written = io.StringIO()
    writer = csv.DictWriter(written, columns)
    writer.writeheader()
    try:
        with file.open("rb") as opened:
            entries = _entries(iter(lambda: opened.readline(LONGEST_LINE), b""))
            for row in recounting.changes(entries) if changes else recounting.providers(entries):
                writer.writerow({name: _safe(cell) for name, cell in row.items()})
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); check the name") from error
    except lines.Broken as broken:
        raise BadInput(f"{file}: no export of a ledger: {broken}; see `placet ledger verify {file}`") from broken
    return written.getvalue()


def _entries(export: Iterator[bytes]) -> Iterable[lines.Read]:
    """The entries of the install log, which stands last."""
    header = lines.strict(next(export, b""), Header)
    install = header.logs[-1].origin if header.logs else ""
    for line in export:
        if line.startswith(b'{"kind":"checkpoint"'):
            continue
        read = lines.read(line)
        if read.leaf.log == install:
            yield read


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
