"""Checkpoints at intervals: signed, kept and shown to the witnesses, by whoever holds the ledger's key: the console."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from estate.errors import BadInput, PlacetError
from policies.ledger.archives import Archive

log = structlog.get_logger(__name__)


async def keep(archive: Archive, every: timedelta) -> None:
    """Until cancelled. Where the ledger's key is not here there is nothing to do; a fault is told and tried again."""
    newest: tuple[str, ...] = ()
    while True:
        try:
            newest = await _signed(archive, newest)
        except BadInput as error:
            log.info("no checkpoints from here", reason=str(error))
            await asyncio.Event().wait()
        except PlacetError as error:
            log.error("checkpoint not signed", reason=str(error))
        await asyncio.sleep(every.total_seconds())


async def _signed(archive: Archive, before: tuple[str, ...]) -> tuple[str, ...]:
    """The newest notes; a ledger that has not grown is not signed again."""
    return await archive.checkpoint() if not before or await _has_grown(archive, before) else before


async def _has_grown(archive: Archive, before: tuple[str, ...]) -> bool:
    size = max(int(note.split("\n")[1]) for note in before if note.partition("\n")[0].endswith("/install"))
    async for _ in archive.entries(after=size - 1):
        return True
    return False
