"""`python -m tools.controlplane build|toolchain`: what `make controlplane` runs.

`build` writes the folder of the binaries to stdout and builds them where they are missing. `toolchain` says by its exit
status whether a build would need a Go that is not there: 0 no, 1 yes. Words go to stderr.
"""

from __future__ import annotations

import sys

from estate.errors import PlacetError
from tools.controlplane import building, finding
from tools.controlplane.finding import BinariesMissing


def main(arguments: list[str]) -> int:
    """The exit status."""
    jobs = {"build": _build, "toolchain": _toolchain}
    if len(arguments) != 1 or arguments[0] not in jobs:
        _say(f"usage: python -m tools.controlplane {'|'.join(jobs)}")
        return 2
    try:
        jobs[arguments[0]]()
    except PlacetError as error:
        _say(f"error: {error}")
        return 1
    return 0


def _build() -> None:
    sys.stdout.write(f"{building.ensure(_say).folder}\n")


def _toolchain() -> None:
    try:
        finding.find()
    except BinariesMissing:
        building.toolchain()


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
