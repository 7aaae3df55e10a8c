"""`python -m tools.prometheus build|toolchain`: what `make prometheus` runs.

`build` writes the path of the binary to stdout and builds it where it is missing. `toolchain` says by its exit status
whether a build would need a Go that is not there: 0 no, 1 yes. Words go to stderr.
"""

from __future__ import annotations

import sys

from tools.controlplane import building as modules
from tools.controlplane import making
from tools.controlplane.finding import BinariesMissing
from tools.prometheus import building


def main(arguments: list[str]) -> int:
    """The exit status."""
    return making.run("tools.prometheus", arguments, building.ensure, _toolchain)


def _toolchain() -> None:
    try:
        building.find()
    except BinariesMissing:
        modules.toolchain(building.MODULE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
