"""Whatever arrives, a parser of facts gives what can be stored, or says BadInput; each bad part is told once."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estate import canonical
from estate.errors import BadInput
from tests.drawing import among
from tests.payloads.samples import HEADERS, SAMPLES
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.readings import Presence
from tools.payloads.facts.statements import Fact, Witness
from tools.payloads.formats import FACTS, FORMATS
from tools.payloads.parsed import Parsed

_STRUCTURED = {"cloud", "kubernetes", "prometheus", "redfish"}
_TREES = sorted(key for key in SAMPLES if key[0] in _STRUCTURED)
_TEXTS = sorted(key for key in SAMPLES if key not in _TREES)

hostile = st.sampled_from(
    [
        "\ud800", "\u202e", "é" * 9000, "x\x00y", "../../etc", "${NAME}", "1e999", "-1", "NaN", "9" * 5000,
        "9223372036854775807", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "GPU-\u202eabc", "1" * 400 + "Gi",
    ]
)  # fmt: skip
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**310)
    | st.floats()
    | st.text(max_size=20)
    | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | hostile, inner, max_size=3),
    max_leaves=6,
)
headers = st.dictionaries(st.sampled_from(sorted(HEADERS)) | st.text(max_size=12), hostile | st.text(), max_size=3)


def outcome(format: str, body: bytes, told: dict[str, str] | None = None) -> Parsed | None:
    """What the parser makes of it, fit to be stored; None when it is refused."""
    try:
        found = (FACTS.get(format) or FORMATS[format])(body, HEADERS if told is None else told)
    except BadInput:
        return None
    for fact in found.facts:
        fit(fact)
    for reading in found.readings:
        fit(reading.subject)
        assert (reading.presence is Presence.MEASURED) == (reading.value is not None)
        assert reading.value is None or math.isfinite(reading.value)
    for observation in found.observations:
        observation.canonical()
    places = [str(f) for f in found.faults]
    assert len(places) == len(set(places)), "told twice"
    return found


def fit(value: Fact | Mention | Witness) -> None:
    """Text that has a canonical form, numbers of a size that it has, times that are aware."""
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        match held:
            case str():
                assert canonical.text_fault(str(held)) is None, (field.name, held)
                assert len(held) <= 2_100
            case bool() | None:
                pass
            case int():
                assert abs(held) < 2**63
            case datetime():
                assert held.tzinfo is not None
            case Mention() | Witness():
                fit(held)
            case _:
                pytest.fail(f"{field.name} holds a {type(held).__name__}")


@pytest.mark.parametrize("format", sorted(FACTS.keys() | FORMATS.keys()))
@given(body=st.binary(max_size=300), told=headers)
def test_arbitrary_bytes_never_break_a_parser_of_facts(format: str, body: bytes, told: dict[str, str]) -> None:
    outcome(format, body, told)


@pytest.mark.parametrize("key", _TREES, ids=": ".join)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.data_too_large])
def test_a_sample_with_anything_in_any_place_never_breaks_its_parser(key: tuple[str, str], data: st.DataObject) -> None:
    tree = yaml.safe_load(SAMPLES[key])
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(tree, data)
    outcome(key[0], json.dumps(tree, default=str).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("key", _TEXTS, ids=": ".join)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.data_too_large])
def test_text_with_anything_in_any_place_never_breaks_its_parser(key: tuple[str, str], data: st.DataObject) -> None:
    text = SAMPLES[key]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 20, len(text))))
        put = data.draw(
            hostile | st.text(max_size=10) | st.sampled_from(['"', "{", "}", "\n", " ", "\\", "=", ":", "#"])
        )
        text = text[:start] + put + text[end:]
    outcome(key[0], text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("format", "name"), sorted(SAMPLES))
def test_the_untouched_sample_is_read_without_a_fault(format: str, name: str) -> None:
    """Or the mutations above would prove nothing."""
    found = outcome(format, SAMPLES[format, name].encode())
    assert found is not None
    assert found.faults == ()
    assert len(found.facts) + len(found.readings) + len(found.observations) > 0


@pytest.mark.parametrize("format", ["redfish", "kubernetes", "cloud", "infiniband"])
@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b"\xff{}"])
def test_json_that_two_readers_would_read_in_two_ways_is_refused(format: str, body: bytes) -> None:
    assert outcome(format, body) is None


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
