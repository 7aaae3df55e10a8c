"""The interpreter, set for a system that runs: entered by `console.systems.kept` once everything is loaded.

Thousands of nodes in several processes' copies are millions of objects that live as long as the system: frozen, they
are not walked again by each full collection of garbage, which would stop everything for seconds. What is made later is
looked through in larger heaps than the default, which is meant for programs of a few thousand objects: most of it is
gone by then. And the loop shares the interpreter with threads that own files: a thread that comes back from its disk
waits for a turn, which is short.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TURN_SECONDS = 0.0005
COLLECTED_AFTER = 20_000
"""Objects that are made and not freed before garbage is looked for."""


@contextmanager
def tuned() -> Iterator[None]:
    """For the length of a block; put back afterwards, so that one program may run several systems in turn."""
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(TURN_SECONDS)
    gc.set_threshold(COLLECTED_AFTER, *thresholds[1:])
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(turn)
