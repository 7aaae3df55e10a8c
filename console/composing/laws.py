"""The law that gate and executor serve: nothing that is not proved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import platformdirs

from policies.bundle import Bundle
from policies.proving import serving


async def served(load: Callable[[], Bundle] = Bundle.load) -> Bundle:
    """The bundle that `load` reads, once it is proved; what was proved is remembered in the user's cache.

    Raises:
        BadInput: it does not load, or does not prove.
    """
    proofs = platformdirs.user_cache_path("placet") / "proofs"
    return await asyncio.to_thread(lambda: serving.proved(load(), proofs))
