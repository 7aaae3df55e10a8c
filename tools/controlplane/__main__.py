"""`python -m tools.controlplane build|toolchain`: what `make controlplane` runs.

`build` writes the folder of the binaries to stdout and builds them where they are missing, with the definitions of
Cluster API beside them. `toolchain` says by its exit status whether a build would need a Go that is not there: 0 no, 1
yes. Words go to stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.controlplane import building, definitions, finding, making
from tools.controlplane.finding import BinariesMissing
from tools.controlplane.making import Say


def main(arguments: list[str]) -> int:
    """The exit status."""
    return making.run("tools.controlplane", arguments, _build, _toolchain)


def _build(say: Say) -> Path:
    definitions.ensure(say)
    return building.ensure(say).folder


def _toolchain() -> None:
    try:
        finding.find()
        definitions.find()
    except BinariesMissing:
        building.toolchain()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
