"""Estate files that a configuration names are in every snapshot of the running system, and so are their edits."""

from __future__ import annotations

from pathlib import Path

import pytest
from installations import founded, settings, until

from console.bootstrap import Installation, running
from estate import neighbours
from estate.references import Ref

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system")]

HALLS = """\
kind: placet.estate
v: 1
items:
- {kind: row, id: row-1, site: eu-de, hall: h1}
- {kind: rack, id: eu-a, row: row-1, units: 48}
"""


async def test_a_running_system_knows_what_files_declare_and_follows_their_edits(tmp_path: Path) -> None:
    halls = tmp_path / "halls.yaml"
    halls.write_text(HALLS)
    state = founded(tmp_path / "state")
    config = settings(state).model_copy(update={"estate": (halls,)})
    async with running(Installation.open(state, config)) as system:
        followers = tuple(system.inventories.values())

        async def all_know(rack: str, row: str) -> bool:
            return all(Ref("row", row) in neighbours.domains(f.newest(), Ref("rack", rack)) for f in followers)

        assert len(followers) > 1
        await until(lambda: all_know("eu-a", "row-1"))
        halls.write_text(HALLS.replace("row-1", "row-2"))
        await until(lambda: all_know("eu-a", "row-2"))
