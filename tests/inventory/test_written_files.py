"""What people write is read strictly, and every refusal says where, what and what to do."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import BadInput, NewerRecord
from estate.law import Facts
from estate.records import Record
from estate.worlds import ChangeFile, World
from tests import builders
from tools.inventory import documents, files, findings

CHANGES = """\
kind: placet.change-file
v: 1
summary: cordon and cap
changes:
  - kind: CordonNode
    node: eu-a1
    reason: maintenance
  - kind: SetPowerCap
    node: eu-a1
    watts: 4000
"""


def test_a_namespace_belongs_to_one_tenant(tmp_path: Path) -> None:
    """Of two claims one would win by the order of the file, and the law would not say whose work it judges."""
    form = builders.facts().json_form()
    form["tenants"][1]["namespaces"] = [dict(form["tenants"][0]["namespaces"][0])]
    path = tmp_path / "facts.yaml"
    path.write_text(yaml.safe_dump(form, sort_keys=False))
    with pytest.raises(BadInput, match="namespace `eu-1/tenant-a` is claimed twice"):
        files.load_facts(path)


@pytest.mark.parametrize("record", [builders.facts(), builders.world()], ids=["facts", "world"])
def test_a_record_written_as_yaml_is_read_back_the_same(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump(record.json_form(), sort_keys=False))
    load = files.load_facts if isinstance(record, Facts) else files.load_world
    assert load(path) == record


def test_a_change_file_gives_the_changes_in_order(tmp_path: Path) -> None:
    path = tmp_path / "change.yaml"
    path.write_text(CHANGES)
    assert [c.kind for c in files.load_change_file(path).changes] == ["CordonNode", "SetPowerCap"]


def test_norway_is_a_country_and_not_a_lie() -> None:
    document = documents.parse(b"a: no\nb: NO\nc: on\nd: 2026-11-21\ne: 0x10\nf: 1_000", "f")
    assert document.value == {"a": "no", "b": "NO", "c": "on", "d": "2026-11-21", "e": "0x10", "f": "1_000"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: key `a` is there twice"),
        ("a: &x [1]\nb: 2", "f.yaml:1: anchors and tags"),
        ("a: *x", "f.yaml:1: an alias"),
        ("a: !!python/object/apply:os.system ['true']", "f.yaml:1: anchors and tags"),
        ("a: 1.5", "f.yaml:1: `1.5` is a fraction"),
        ("a: .inf", "f.yaml:1: `.inf` is a fraction"),
        ("---\na: 1\n---\nb: 2", "f.yaml:3: a second document"),
        ("a: [1, 2", "f.yaml:"),
        ("? [1]\n: 2", "f.yaml:1: a key must be text"),
        ("[" * 80 + "]" * 80, "nested deeper than 64"),
        ("- " * 100_000 + "1", "nested deeper than 64"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadInput) as refused:
        documents.parse(text.encode(), "f.yaml")
    assert str(refused.value).startswith(complaint) or complaint in str(refused.value)


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(BadInput, match="not UTF-8 at byte 2"):
        documents.parse(b"a:\xff", "f.yaml")


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(documents.LARGEST_FILE + 1)
    with pytest.raises(BadInput, match=r"huge\.yaml.*split it"):
        files.load_world(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.yaml: cannot be read"):
        files.load_facts(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("wrong", "complaints"),
    [
        (("node: eu-a1\n    reason", "node: EU_A1\n    reason"), ("c.yaml:6", "changes.0", "`EU_A1`", "pattern")),
        (("reason: m", "raison: m"), ("c.yaml:7", "raison", "remove the field")),
        (("watts: 4000", "watts: many"), ("c.yaml:10", "watts", "`many`", "write an integer")),
        (("kind: SetPowerCap", "kind: SetFire"), ("c.yaml:8", "SetFire", "SetPowerCap")),
        (("summary: cordon and cap\n", ""), ("summary", "add this field")),
        (("kind: placet.change-file", "kind: placet.facts"), ("placet.facts", "placet.change-file", "correct it")),
        (("v: 1\n", ""), ("is not a version", "write `v: 1`")),
        (("reason: maintenance", 'reason: "a\\u202eb"'), ("c.yaml", "bidirectional", "rewrite the text")),
    ],
)
def test_a_refusal_names_line_field_value_and_remedy(wrong: tuple[str, str], complaints: tuple[str, ...]) -> None:
    text = CHANGES.replace(*wrong)
    assert text != CHANGES
    with pytest.raises(BadInput) as refused:
        files.parse(ChangeFile, text.encode(), "c.yaml")
    for complaint in complaints:
        assert complaint in str(refused.value)


def test_a_dangling_reference_is_named_with_its_path() -> None:
    text = yaml.safe_dump(builders.facts().json_form()).replace("owner: us-cloud", "owner: us-clod")
    with pytest.raises(BadInput, match=r"sites\.us-east\.owner: `us-clod` is not defined in this file"):
        files.parse(Facts, text.encode(), "facts.yaml")


def test_a_time_without_its_offset_is_refused() -> None:
    form = builders.facts().json_form() | {"valid_until": "2027-01-01T00:00:00"}
    with pytest.raises(BadInput, match="valid_until: a time needs its offset"):
        files.parse(Facts, yaml.safe_dump(form).encode(), "facts.yaml")


def test_a_file_of_a_newer_placet_is_told_apart_from_a_wrong_one() -> None:
    with pytest.raises(NewerRecord, match=r"w\.yaml.*upgrade"):
        files.parse(World, b"kind: placet.world\nv: 2\nplanets: []", "w.yaml")


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!\"'\n #|>?,%1.", max_size=60).map(str.encode))
def test_no_bytes_get_past_the_reader_but_as_bad_input(data: bytes) -> None:
    with contextlib.suppress(BadInput):
        documents.parse(data, "f")


@pytest.mark.parametrize("kind", sorted(files.KINDS))
def test_each_kind_of_file_has_a_schema_that_names_its_kind(kind: str) -> None:
    assert files.schema(kind)["properties"]["kind"]["const"] == f"placet.{kind}"


def test_the_schema_of_a_change_file_offers_every_kind_of_change() -> None:
    offered = files.schema("change-file")["$defs"]["Change"]["discriminator"]["mapping"]
    assert {"TaintNode", "UntaintNode", "EvictPod", "DrainNode", "CordonNode", "MoveWorkload"} <= set(offered)


def test_a_schema_of_nothing_lists_what_there_is() -> None:
    with pytest.raises(BadInput, match="`facts`, `world`, `estate`, `change-file`"):
        files.schema("planet")


def test_the_small_estate_agrees_with_its_facts() -> None:
    assert findings.cross_check(builders.facts(), builders.world()) == ()


def test_each_disagreement_of_world_and_facts_is_found() -> None:
    nodes = (builders.node("eu-a1"), builders.node("eu-a2", cluster="us-1"), builders.node("eu-z9"))
    workloads = (
        builders.workload("w1", tenant="tenant-x"),
        builders.workload("w2", namespace="tenant-b"),
        builders.workload("w3", bindings=(builders.binding(0, "gone"), builders.binding(1, "eu-a1", 0, 9))),
        builders.workload("w4", datasets=("d",), bindings=(builders.binding(0, "eu-a2", 0, 1),)),
    )
    law = builders.facts(racks=(builders.rack("eu-a", nodes=("eu-a1", "eu-a2", "eu-a3")),))
    found = [(str(f.about), f.fault) for f in findings.cross_check(law, World(nodes=nodes, workloads=workloads))]
    assert found == [
        ("node/eu-a2", "rack `eu-a` stands at `eu-de`, cluster `us-1` is at `us-east`"),
        ("node/eu-z9", "no fact places it in a rack"),
        ("node/eu-a3", "a rack names it and nothing observed answers to it"),
        ("workload/w1", "tenant `tenant-x` is unknown"),
        ("workload/w2", "namespace `tenant-b` of `eu-1` belongs to `tenant-b`"),
        ("workload/w3", "replica 0 is on unknown `gone`"),
        ("workload/w3", "`eu-a1` has no accelerator 9"),
        ("workload/w4", "dataset `d` is unknown"),
        ("workload/w4", "replica 0 is on `eu-a2` of cluster `us-1`"),
    ]
