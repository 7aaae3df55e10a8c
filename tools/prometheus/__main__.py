"""`python -m tools.prometheus build|toolchain`: what `make prometheus` runs.

`build` writes the path of the binary to stdout and builds it where it is missing. `toolchain` says by its exit status
whether a build would need a Go that is not there: 0 no, 1 yes. Words go to stderr.
"""

from __future__ import annotations

import sys

from estate.errors import PlacetError
from tools.controlplane import building as modules
from tools.controlplane.finding import BinariesMissing
from tools.prometheus import building


def main(arguments: list[str]) -> int:
    """The exit status."""
    jobs = {"build": _build, "toolchain": _toolchain}
    if len(arguments) != 1 or arguments[0] not in jobs:
        _say(f"usage: python -m tools.prometheus {'|'.join(jobs)}")
        return 2
    try:
        jobs[arguments[0]]()
    except PlacetError as error:
        _say(f"error: {error}")
        return 1
    return 0


def _build() -> None:
    sys.stdout.write(f"{building.ensure(_say)}\n")


def _toolchain() -> None:
    try:
        building.find()
    except BinariesMissing:
        modules.toolchain(building.MODULE)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
