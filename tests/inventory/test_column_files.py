"""An inventory comes back from its file as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estate.errors import BadInput
from tests import builders
from tests.drawing import among
from tests.inventory.columns_histories import FACTS, answers, histories
from tests.inventory.test_columns import Happening, both, take
from tools.inventory.columns import files


@given(first=histories(20), later=histories(12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_restart_goes_on_as_if_there_had_been_none(
    tmp_path: Path, first: list[Happening], later: list[Happening]
) -> None:
    """Free rows, losers of a name, sums and groups: what is forgotten would show in what comes after."""
    inventory, _ = both(first)
    files.save(tmp_path / "columns", inventory, builders.version(7), "signed")
    loaded = files.load(tmp_path / "columns", lambda _: inventory.facts)
    again, version = loaded.inventory, loaded.version
    assert (version, loaded.envelope) == (builders.version(7), "signed")
    assert answers(again.snapshot(version)) == answers(inventory.snapshot(version))
    for change in later:
        take(inventory, change)
        take(again, change)
    assert answers(again.snapshot(version)) == answers(inventory.snapshot(version))


def test_other_facts_are_obeyed_at_once(tmp_path: Path) -> None:
    inventory, estate = both([*_small()])
    files.save(tmp_path / "columns", inventory, builders.version(), "signed")
    again = files.load(tmp_path / "columns", lambda _: FACTS[1]).inventory
    assert answers(again.snapshot(builders.version())) == answers(estate.with_facts(FACTS[1]))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_refused_with_its_reason(tmp_path: Path, data: st.DataObject) -> None:
    """Half a page that never reached the disk, or a bit that fell over: nothing of it may become an estate."""
    path = tmp_path / "columns"
    inventory, _ = both([*_small()])
    files.save(path, inventory, builders.version(), "signed")
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(among(("cut", "flip", "more")))
    flipped = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
    path.write_bytes({"cut": whole[:at], "flip": flipped, "more": whole + b"x"}[damage])
    with pytest.raises(BadInput, match="is no inventory of this placet"):
        files.load(path, lambda _: inventory.facts)


def _small() -> list[Happening]:
    from tools.inventory.columns import changes

    nodes = [changes.NodeSeen(n) for n in builders.default_nodes()]
    return [*nodes, *(changes.WorkloadSeen(w) for w in builders.default_workloads())]
