"""What a caller may do about an answer is decided once, here: the whole table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import Denied, NeverRetry, PlacetError, RetryLater
from tools.kubernetes import faults

_CALL = "PATCH /api/v1/nodes/n"


def status(reason: str = "", causes: list[dict[str, str]] | None = None, **details: Any) -> dict[str, Any]:
    """A `Status` object as the API server writes it."""
    return {
        "kind": "Status",
        "reason": reason,
        "message": "it says why.",
        "details": {"causes": causes or []} | details,
    }


_MANAGED = {
    "reason": "FieldManagerConflict",
    "message": 'conflict with "kubectl" using apps/v1',
    "field": ".spec.replicas",
}
_TABLE = [
    (400, status("BadRequest"), NeverRetry, faults.Rejected),
    (401, status("Unauthorized"), Denied, faults.Unauthenticated),
    (403, status("Forbidden"), Denied, faults.Forbidden),
    (404, status("NotFound"), NeverRetry, faults.NotFound),
    (405, status("MethodNotAllowed"), NeverRetry, faults.Rejected),
    (408, None, RetryLater, faults.Overloaded),
    (409, status("AlreadyExists"), NeverRetry, faults.AlreadyExists),
    (409, status("Conflict"), NeverRetry, faults.Conflicted),
    (409, status("Conflict", [_MANAGED]), NeverRetry, faults.OtherManager),
    (410, status("Expired"), NeverRetry, faults.Gone),
    (413, "too large", NeverRetry, faults.Rejected),
    (415, status("UnsupportedMediaType"), NeverRetry, faults.Rejected),
    (422, status("Invalid"), NeverRetry, faults.Rejected),
    (429, status("TooManyRequests"), RetryLater, faults.Overloaded),
    (429, status("TooManyRequests", [{"reason": "DisruptionBudget"}]), RetryLater, faults.Budgeted),
    (500, status("InternalError"), RetryLater, faults.Overloaded),
    (502, "<html>", RetryLater, faults.Overloaded),
    (503, status("ServiceUnavailable"), RetryLater, faults.Overloaded),
    (504, status("Timeout"), RetryLater, faults.Overloaded),
    (504, status("Timeout", [{"reason": "ResourceVersionTooLarge"}]), NeverRetry, faults.Gone),
    (418, None, NeverRetry, faults.Rejected),
]


@pytest.mark.parametrize(("code", "body", "kind", "exact"), _TABLE)
def test_the_table(code: int, body: Any, kind: type[PlacetError], exact: type[PlacetError]) -> None:
    found = faults.translated(code, body, _CALL)
    assert type(found) is exact
    assert isinstance(found, kind)
    assert str(found).startswith(f"`{_CALL}` answered {code}: ")
    assert not str(found).endswith(".")


def test_another_manager_is_named_with_its_fields() -> None:
    """Conflicts are never forced: whoever meets one must be able to say whom to ask."""
    found = faults.translated(409, status("Conflict", [_MANAGED]), _CALL)
    assert isinstance(found, faults.OtherManager)
    assert (found.managers, found.fields) == (("kubectl",), (".spec.replicas",))
    assert "`kubectl` owns .spec.replicas" in str(found)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("3", None, 3.0),
        (None, status(retryAfterSeconds=7), 7.0),
        ("nonsense", status(), 0.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, 0.0),
        ("-4", None, 0.0),
        ("1e9", None, faults.LONGEST_WAIT),
        ("nan", None, 0.0),
    ],
)
def test_the_server_says_how_long_to_wait(header: str | None, body: Any, seconds: float) -> None:
    found = faults.translated(429, body, _CALL, header)
    assert isinstance(found, faults.Overloaded)
    assert found.after == seconds


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_odd = st.fixed_dictionaries(
    {},
    optional={
        "message": _json,
        "reason": _json | st.sampled_from(("AlreadyExists", "Conflict")),
        "details": st.fixed_dictionaries(
            {}, optional={"causes": _json | st.lists(_json | st.just(_MANAGED)), "retryAfterSeconds": _json}
        ),
    },
)


@given(st.integers(300, 599), _odd | _json, st.none() | st.text())
def test_any_answer_means_something(code: int, body: Any, header: str | None) -> None:
    """A proxy, a webhook or an attacker may answer anything; no answer may end the caller with a stray exception."""
    found = faults.translated(code, body, _CALL, header)
    assert isinstance(found, RetryLater | NeverRetry | Denied)
    assert len(str(found)) < 2_000
