"""What people declare of facilities, fabrics and prices is read strictly, checked as a whole, and watched."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estate.errors import BadInput, PlacetError
from estate.items import KINDS, Item
from estate.origins import Origin
from tests import builders
from tests import items as building
from tests.drawing import among
from tools.inventory import declarations, files
from tools.inventory.declared import DeclaredSource
from tools.inventory.port import Observed

ALONE = building.item("region"), building.item("template"), building.item("price", site=None)
"""Items that name nothing."""
COMPLETE: tuple[Item, ...] = (
    *(i for i in building.all_kinds() if i.kind not in {"source", "reservation"}),
    building.item("pdu", id="eu-a-pdu-b", feed="eu-feed-a"),
    building.item("switch", id="spine-1", tier="spine", row=None),
    building.item("ups", id="eu-ups-b"),
)


def form_of(*items: Item, **over: Any) -> dict[str, Any]:
    """What an estate file of these items says."""
    forms = [i.model_dump(mode="json", exclude_defaults=True, exclude={"origins"}) | {"kind": i.kind} for i in items]
    return {"kind": "placet.estate", "v": 1, "items": forms, **over}


def write(path: Path, *items: Item, **over: Any) -> Path:
    """An estate file of these items, as YAML."""
    path.write_text(yaml.safe_dump(form_of(*items, **over), sort_keys=False))
    return path


def bare(items: tuple[Item, ...]) -> dict[str, Item]:
    return {str(i.ref): i.model_copy(update={"origins": ()}) for i in items}


def test_every_kind_of_item_is_read_back_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "all.yaml", *COMPLETE, declared_at="2026-11-21T08:00:00Z")
    found = declarations.load([path], builders.facts())
    assert bare(found) == bare(COMPLETE)
    assert all(
        isinstance(o, Origin) and (o.source, o.observed_at) == ("file/all.yaml", builders.START)
        for i in found
        for o in i.origins
    )


def test_one_estate_in_many_files_is_the_same_estate(tmp_path: Path) -> None:
    for n, item in enumerate(COMPLETE):
        write(tmp_path / f"{n:02}.yaml", item)
    (tmp_path / "notes.txt").write_text("not an estate file")
    assert bare(declarations.load([tmp_path], builders.facts())) == bare(COMPLETE)


def test_a_name_that_two_files_define_is_refused_with_both_places(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{x}.yaml", ALONE[0]) for x in "ab")
    with pytest.raises(BadInput, match=rf"{two}:4: `region/eu-central` is already at {one}:4; keep one"):
        declarations.load([tmp_path])


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (
            building.item("pdu", feed="gone", rack=None),
            r"e\.yaml:6: pdu/eu-a-pdu-a\.feed: `feed/gone` is not defined in",
        ),
        (
            building.item("row", site="mars"),
            r"e\.yaml:5: row/eu-row-1\.site: `site/mars` is not .* the facts and these",
        ),
        (building.item("copy", storage="s"), r"e\.yaml:6: .*`storage/s` is not defined in these files; add it"),
        (
            building.item("link", fabric="f", ends=[{"of": "planet/mars"}, {"of": "switch/leaf-eu-a"}]),
            r"e\.yaml:6: link/eu-a-up-1\.ends\.of: `planet` is not a kind of thing; use one of accelerator, cdu",
        ),
    ],
)
def test_a_reference_to_nothing_is_refused_where_it_stands(tmp_path: Path, item: Item, fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        declarations.load([write(tmp_path / "e.yaml", item)], builders.facts())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("items: []", "expected.*`None` where `placet.estate` is expected|where `placet.estate` is expected"),
        ("kind: placet.estate\nv: 1\nitems:\n  - kind: planet\n    id: mars", r"e\.yaml:4.*'planet'.*correct the kind"),
        ("kind: placet.estate\nv: 1\nitems:\n  - id: mars", r"e\.yaml:4.*name the kind"),
        (
            "kind: placet.estate\nv: 1\nitems:\n  - kind: pdu\n    id: p\n    feed: f\n    capacity_watts: 5kW",
            r"e\.yaml:7: items\.0\.pdu\.capacity_watts: .*`5kW`.*write an integer",
        ),
        (
            "kind: placet.estate\nv: 1\nitems:\n  - kind: region\n    id: p\n  - kind: region\n    id: p",
            r"e\.yaml.*`region/p` is there twice; keep one",
        ),
        (
            "kind: placet.estate\nv: 1\nitems:\n  - kind: region\n    id: p\n    origins:\n"
            "      - layer: place\n        source: me",
            r"e\.yaml:6: `region/p` says where it is from itself; remove `origins`",
        ),
        (
            "kind: placet.estate\nv: 1\nitems:\n  - kind: source\n    id: x\n    source: x\n    speech: speaks",
            r"e\.yaml:4: `source/x` says whether a source speaks; remove it",
        ),
        ("kind: placet.estate\nv: 2\nitems: []", "newer placet"),
    ],
)
def test_a_refusal_names_line_field_value_and_remedy(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(PlacetError, match=fault):
        declarations.load([path])


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.yaml: cannot be read"):
        declarations.load([tmp_path / "gone.yaml"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_hostile_file_is_bad_input_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    """One place of a good file becomes something else: null, huge, of another type, hostile text, or is gone."""
    form = form_of(*COMPLETE)
    chosen: Any = form["items"][data.draw(st.integers(0, len(COMPLETE) - 1))]
    key = data.draw(among(sorted(chosen)))
    odd = st.sampled_from([None, -1, 10**30, "\u202egnp", "", "x" * 600, [], {}, [[[]]], {"a": {"b": 1}}, True])
    chosen[key] = data.draw(odd)
    (tmp_path / "e.yaml").write_text(json.dumps(form))
    with suppress(BadInput):
        declarations.load([tmp_path / "e.yaml"], builders.facts())


def test_the_schema_offers_every_kind_to_an_editor() -> None:
    schema = files.schema("estate")
    offered = schema["$defs"]["Item"]["discriminator"]["mapping"]
    assert set(offered) == set(KINDS)
    for reference in offered.values():
        assert schema["$defs"][reference.rpartition("/")[2]]["additionalProperties"] is False


@asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[AsyncIterator[Observed]]:
    source = DeclaredSource(paths, builders.facts(), interval=timedelta(milliseconds=20))
    watched = source.watch()
    async with asyncio.timeout(30):
        yield watched
    with suppress(AttributeError):
        await watched.aclose()  # type: ignore[attr-defined]


async def test_a_file_that_is_edited_changes_the_estate(tmp_path: Path) -> None:
    path = write(tmp_path / "e.yaml", *ALONE)
    async with watching(tmp_path) as seen:
        first = await anext(seen)
        write(path, ALONE[0])
        second = await anext(seen)
        write(tmp_path / "f.yaml", ALONE[1])
        third = await anext(seen)
        path.unlink()
        fourth = await anext(seen)
    assert first.whole
    assert [len(b.items) for b in (first, second, third, fourth)] == [3, 1, 2, 1]


async def test_a_file_that_breaks_changes_nothing_until_it_is_whole_again(tmp_path: Path) -> None:
    """Somebody saves half an edit: what was read last stays."""
    path = write(tmp_path / "e.yaml", *ALONE)
    async with watching(path) as seen:
        await anext(seen)
        waiting = asyncio.ensure_future(anext(seen))
        path.write_text("kind: placet.estate\nv: 1\nitems:\n  - kind: pdu\n")
        await asyncio.sleep(0.2)
        assert not waiting.done()
        write(path, *ALONE[:2])
        assert len((await waiting).items) == 2


async def test_a_file_that_is_broken_from_the_start_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("{")
    async with watching(path) as seen:
        first = await anext(seen)
        write(path, *ALONE)
        second = await anext(seen)
    assert (first.whole, first.items, len(second.items)) == (True, (), 3)


async def test_a_mounted_folder_that_is_swapped_is_seen(tmp_path: Path) -> None:
    """A ConfigMap is a link to a folder that is replaced as a whole."""
    for name, items in (("v1", ALONE), ("v2", ALONE[:1])):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "e.yaml", *items)
    (tmp_path / "now").symlink_to(tmp_path / "v1")
    async with watching(tmp_path / "now") as seen:
        first = await anext(seen)
        (tmp_path / "next").symlink_to(tmp_path / "v2")
        os.replace(tmp_path / "next", tmp_path / "now")
        second = await anext(seen)
    assert [len(b.items) for b in (first, second)] == [3, 1]
