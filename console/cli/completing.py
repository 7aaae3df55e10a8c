"""What a shell may complete: kinds, and the names of things. A completion never fails and never waits long."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import typer

CASE_KINDS = ("incident", "proposal", "warrant", "relief", "setting", "notice")
_WITHIN = 2.0


def kinds(incomplete: str) -> list[str]:
    """Every kind, in the plural."""
    from tools.views import things

    every = sorted({*CASE_KINDS, *things.KINDS})
    return [p for k in every if (p := things.plural(k)).startswith(incomplete)]


def things_with_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of the kind that was written before."""
    kind = ctx.params.get("kind")
    return _asked(ctx, kind, incomplete) if isinstance(kind, str) else []


def names(kind: str) -> Callable[[typer.Context, str], list[str]]:
    """Completes names of one kind."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return _asked(ctx, kind, incomplete)

    return complete


def _asked(context: typer.Context, kind: str, incomplete: str) -> list[str]:
    """Names that begin so, as the door tells them to whoever asks; nothing where it does not answer."""
    import asyncio

    from console.cli.invocations import Invocation
    from console.door.commands import Get
    from tools.views.things import known_kind

    async def work() -> list[str]:
        what = kind.removesuffix("s") if kind.removesuffix("s") in CASE_KINDS else known_kind(kind)
        given = context.obj if isinstance(context.obj, Invocation) else Invocation(speaker=os.environ.get("PLACET_AS"))
        async with asyncio.timeout(_WITHIN), given.door() as client:
            rows = (await client.call(Get.model_validate({"what": what}))).result
        found = [str(r["name"]) for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []
        return [n for n in found if n.startswith(incomplete)][:200]

    with suppress(Exception):
        return asyncio.run(work())
    return []
