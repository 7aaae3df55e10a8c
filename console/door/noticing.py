"""What people were told of changes, as rows, cut to the reader: off the ledger, where it stands that they were told."""

from __future__ import annotations

from collections.abc import AsyncIterator

from console.door.views import Row, Sight
from estate.notices import Notice, Occasion
from estate.records import write_time
from policies.ledger.port import Entry, EntryKind, Ledger


async def rows(ledger: Ledger, sight: Sight) -> AsyncIterator[Row]:
    """Who was told of what to come, then what did not last. Of another tenant's part nobody reads."""
    async for entry in ledger.entries(kind=EntryKind.NOTIFIED):
        if (row := _told(entry, sight)) is not None:
            yield row
    async for entry in ledger.entries(kind=EntryKind.POST_CHECKED):
        if sight.everything and entry.body.get("held") is False:
            yield _row(entry, Occasion.LAPSED, [str(f) for f in _list(entry.body.get("faults"))])


def _told(entry: Entry, sight: Sight) -> Row | None:
    form = entry.body.get("notice")
    if not isinstance(form, dict):
        return None  # erased
    notice = Notice.read(form)
    lines = [x.text for x in notice.lines] if sight.everything else [*notice.lines_for(sight.tenants)]
    return _row(entry, notice.occasion, lines) if sight.everything or lines else None


def _row(entry: Entry, occasion: Occasion, lines: list[str]) -> Row:
    return {
        "name": str(entry.body.get("execution", "")),
        "occasion": occasion.value,
        "incident": entry.incident or "",
        "at": write_time(entry.at),
        "says": [*lines],
    }


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
