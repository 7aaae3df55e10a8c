"""Draw the picture of a made-up estate for the docs: `python -m console.drawing FILE`. Called by `make pictures`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from console.drawing import svg
from console.drawing.scales import Colouring
from estate.frozen import FrozenEstate
from estate.ids import InstallationId
from estate.snapshots import SnapshotVersion
from tools.generation.estates import generate
from tools.generation.sizes import Size
from tools.views.sums import Sums
from tools.views.topologies import Scope, topology


def main() -> None:
    """The same estate and the same picture every time."""
    made = generate(Size(2, 40, 7, datetime(2027, 12, 31, tzinfo=UTC)))
    version = SnapshotVersion(installation=InstallationId("example"), epoch=1, sequence=1)
    estate = FrozenEstate.of(version, made.facts, made.world.nodes, made.world.workloads, made.file().items)
    Path(sys.argv[1]).write_text(svg.drawn(topology(Sums.of(estate), Scope()), Colouring.POWER))


if __name__ == "__main__":
    main()
