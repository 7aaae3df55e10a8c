"""Whatever arrives, a parser gives facts that can be stored, or says BadInput: nothing else ever leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.demo import payloads
from estate.errors import BadInput
from tests.builders import START, node
from tests.drawing import among
from tests.payloads.conftest import Parse
from tools.payloads.formats import FORMATS
from tools.payloads.parsed import Parsed

NODE = node()
DEVICE = NODE.accelerators[0]
VALID: dict[str, bytes] = {
    "kernel": payloads.kernel_line(NODE, DEVICE, START),
    "nvsentinel": json.dumps(json.loads(payloads.health_event(NODE, DEVICE, START))["data"]["healthEvent"]).encode(),
    "cloudevents": payloads.health_event(NODE, DEVICE, START),
    "alertmanager": payloads.alert_bursts(NODE, DEVICE, START)[0],
}
"""Formats that only tell events; those that state facts too are in test_hostile_facts."""

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["79", "PCI:0000:17:00", "1.0", "0001-01-01T00:00:00+14:00", "\ud800", "\u202e", "é" * 9000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
lines = st.lists(
    st.tuples(
        st.sampled_from(
            ["", "[1.2] ", "3,1,99999999999999999999,-;", "Feb 23 16:24:18 h kernel: ", '{"MESSAGE"', "\x00"]
        ),
        st.sampled_from(["NVRM: Xid (PCI:", "nvidia-nvswitch0: SXid (PCI:", "NVRM: Xid "]),
        st.text(max_size=30),
        st.sampled_from(["): 79", "): 99999999999", "): ", ")"]),
        st.text(max_size=30),
    ).map("".join),
    max_size=5,
)


def outcome(format: str, body: bytes, headers: dict[str, str] | None = None) -> Parsed | None:
    """What the parser makes of it; None when it is refused. Everything it gives has a canonical form."""
    try:
        parsed = FORMATS[format](body, headers or {})
    except BadInput:
        return None
    for observation in parsed.observations:
        observation.canonical()
        assert observation.sender_id
    return parsed


@pytest.mark.parametrize("format", sorted(VALID))
@given(body=st.binary(max_size=400), headers=st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=3))
def test_arbitrary_bytes_never_break_a_parser(format: str, body: bytes, headers: dict[str, str]) -> None:
    outcome(format, body, headers)


@pytest.mark.parametrize("format", sorted(VALID))
@given(data=st.data())
def test_a_valid_payload_with_anything_in_any_place_never_breaks_a_parser(format: str, data: st.DataObject) -> None:
    tree = json.loads(VALID[format])
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(tree, data)
    outcome(format, json.dumps(tree).encode())


@given(rows=lines, host=st.text(max_size=10))
def test_near_reports_never_break_the_kernel_parser(rows: list[str], host: str) -> None:
    outcome("kernel", "\n".join(rows).encode("utf-8", "replace"), {"placet-host": host})


@pytest.mark.parametrize("format", sorted(VALID))
def test_the_untouched_payload_is_read(format: str) -> None:
    """Or the mutations above would prove nothing."""
    parsed = outcome(format, VALID[format])
    assert parsed is not None
    assert parsed.observations


@pytest.mark.parametrize("format", ["nvsentinel", "cloudevents", "alertmanager"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": 1, "a": 2}', "key twice"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1e999}', "finite"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON that can be trusted"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "64 levels"),
        (b"[" * 100_000, "not JSON that can be trusted"),
        (b"\xff\xfe{}", "UTF-8"),
        (b" " * (1024 * 1024 + 1), "by reference"),
        (b"", "not JSON that can be trusted"),
    ],
)
def test_json_that_cannot_be_trusted_is_refused_with_the_reason(
    parse: Parse, format: str, body: bytes, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        parse(format, body)


def test_hostile_text_is_made_fit_and_keeps_ids_apart(parse: Parse) -> None:
    """Direction overrides could make a person read another name than the machine does."""
    event = {"specversion": "1.0", "source": "s\x00", "type": "placet.alert.fired.v1", "data": {"message": "a\u202eb"}}
    first, second = event | {"id": "\u202e1"}, event | {"id": "\u202e2"}
    one, other = parse("cloudevents", [first, second]).observations
    assert one.message == "a\ufffdb"
    assert one.sender_id != other.sender_id
    assert one.sender_id.startswith("sha256:")


def test_injected_text_of_collected_attacks_stays_text(parse: Parse, cases: Path) -> None:
    """An instruction in a message is a message: it changes no other field."""
    folder = cases / "prompt_injection"
    files = [
        p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix in {".txt", ".md", ".csv", ".json", ".jsonl"}
    ]
    base = json.loads(VALID["nvsentinel"])
    (plain,) = parse("nvsentinel", base).observations
    for path in files[:40]:
        text = path.read_text(errors="replace")[:4000]
        (observed,) = parse("nvsentinel", base | {"message": text}).observations
        assert observed.model_copy(update={"message": plain.message}) == plain


def _spoil(tree: Any, data: st.DataObject) -> None:
    """Put junk in a random place, or remove what is there."""
    holder = tree
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = data.draw(among(keys))
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        if isinstance(holder, dict) and data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = data.draw(junk)
        return
