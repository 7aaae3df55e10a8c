"""What `python -m` says of binaries that are built from modules once: the control plane's, and Prometheus's.

Called by the two `__main__` modules, which `make` runs. Words go to stderr, the path of what was built to stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from estate.errors import PlacetError

type Say = Callable[[str], None]


def run(program: str, arguments: Sequence[str], build: Callable[[Say], Path], toolchain: Callable[[], object]) -> int:
    """The exit status of `build`, or of `toolchain`: 0 no build would need a Go that is not there, 1 it would."""
    jobs = {"build": lambda: sys.stdout.write(f"{build(_say)}\n"), "toolchain": toolchain}
    if len(arguments) != 1 or arguments[0] not in jobs:
        _say(f"usage: python -m {program} {'|'.join(jobs)}")
        return 2
    try:
        jobs[arguments[0]]()
    except PlacetError as error:
        _say(f"error: {error}")
        return 1
    return 0


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
