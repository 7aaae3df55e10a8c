"""The interpreter, set for a system that runs: entered by `console.systems.kept` once everything is loaded.

Thousands of nodes in several processes' copies are millions of objects that live as long as the system: frozen, they
are not walked again by each full collection of garbage, which would stop everything for seconds. And the loop shares
the interpreter with threads that own files: a thread that comes back from its disk waits for a turn, which is short.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TURN_SECONDS = 0.0005


@contextmanager
def tuned() -> Iterator[None]:
    """For the length of a block; put back afterwards, so that one program may run several systems in turn."""
    turn = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(turn)
