"""Every format on a payload of our own: the exact facts, as they were worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from estate.errors import BadInput
from tests.payloads.samples import HEADERS, SAMPLES
from tests.payloads.writing import lines
from tools.payloads.formats import FACTS, FORMATS
from tools.payloads.parsed import Parsed

GOLDEN = Path(__file__).parent / "golden" / "samples.txt"


def parse(format: str, body: str | bytes) -> Parsed:
    raw = body if isinstance(body, bytes) else body.encode()
    return (FACTS.get(format) or FORMATS[format])(raw, HEADERS)


def test_every_sample_states_exactly_its_facts() -> None:
    """`golden/samples.txt` is the table of what each format says in our words: read it beside `samples.py`."""
    written = "".join(
        f"== {format}: {name}\n" + "".join(f"{line}\n" for line in lines(parse(format, body)))
        for (format, name), body in SAMPLES.items()
    )
    assert written == GOLDEN.read_text()


@pytest.mark.parametrize("format", sorted(FACTS))
def test_every_format_of_facts_has_a_sample(format: str) -> None:
    assert any(format == of for of, _ in SAMPLES)


def test_what_a_format_does_not_read_is_counted_and_not_lost() -> None:
    found = parse("exposition", SAMPLES["exposition", "all exporters"])
    assert found.ignored == 3  # a bucket, another block metric, another series
    assert found.faults == ()


@pytest.mark.parametrize(
    ("format", "body", "words"),
    [
        (
            "redfish",
            '{"@odata.type": "#Power.v2_0_0.Power", "@odata.id": "/redfish/v1/x"}',
            "major version 2; 1 is read",
        ),
        ("redfish", '{"@odata.type": "#Power.v1_0_0.Power"}', "not the path of a resource"),
        ("prometheus", '{"status": "error", "errorType": "bad_data", "error": "parse error"}', "bad_data: parse error"),
        ("prometheus", '{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}', "scalar"),
        ("prometheus", "<html>", "not JSON"),
        ("kubernetes", "apiVersion: v1\nkind: Node\nmetadata: {name: '${NAME}'}", "fill in the placeholder"),
        ("kubernetes", "a: &a [x]\nb: *a", "anchor or alias"),
        ("kubernetes", "a: 1\na: 2", "a key is there twice"),
        ("kubernetes", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}", "`Secret` of group `core` is not read"),
        ("cloud", '{"unknown": 1}', "no field tells what it is"),
        ("cloud", '{"data": [{"unit": "GBP/MWh", "marketprice": 1}]}', "none of eur/mwh"),
        ("nvlink", "Link 0: 25 GB/s", "no line names a GPU"),
        ("pci", "hello", "not a device"),
        ("board", "hello", "no section `System Information`"),
        ("infiniband", '{"ports/1/counters/link_downed": "many"}', "not a count"),
        ("fabric-manager", "hello", "no line begins as fabric manager's do"),
        ("exposition", "<html>{oops", "not a series"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(format: str, body: str, words: str) -> None:
    with pytest.raises(BadInput, match=words.replace("{", "\\{")):
        parse(format, body)


def test_a_bad_neighbour_costs_nobody_else() -> None:
    """One member, row, object or line that cannot be read is a fault with its place; the others are facts."""
    power = SAMPLES["redfish", "a power resource"].replace('"PowerInputWatts": 380', '"PowerInputWatts": "much"')
    found = parse("redfish", power)
    assert [f.at for f in found.faults] == ["PowerSupplies.0"]
    assert len(found.readings) == 4
    quotas = (
        '{"name": "r", "quotas": [{"metric": "A", "limit": "x", "usage": 1}, {"metric": "B", "limit": 2, "usage": 1}]}'
    )
    found = parse("cloud", quotas)
    assert [f.at for f in found.faults] == ["quotas.0"]
    assert len(found.facts) == 1
    nodes = SAMPLES["kubernetes", "nodes of other vendors"].replace('"name": "amd"', '"name": "Not A Name"')
    found = parse("kubernetes", nodes)
    assert [f.at for f in found.faults] == ["object 0"]
    assert len(found.facts) == 1
    found = parse("exposition", 'vllm:num_requests_waiting{pod="a"} x\nvllm:num_requests_waiting{pod="b"} 3\n')
    assert [f.at for f in found.faults] == ["value 1"]
    assert [r.value for r in found.readings] == [None, 3.0]


def test_the_data_of_secrets_is_never_looked_at() -> None:
    body = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {value: aHVudGVyMg==}"
    with pytest.raises(BadInput) as refused:
        parse("kubernetes", body)
    assert "aHVudGVyMg" not in str(refused.value)
