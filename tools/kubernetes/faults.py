"""What an API server's refusal means for the caller: pure, from the HTTP status and the `Status` object.

RetryLater
├── Unreachable     no answer: refused, reset, timed out, cut off in the middle
└── Overloaded      429, 5xx, priority and fairness; `after` says how long the server asks to wait
    ├── Budgeted    429 by a disruption budget: nothing is wrong but the time
    └── Unregistered  403 by our own rule: the warrant is not in the cluster's register (yet)
NeverRetry
├── Rejected        400, 405, 413, 415, 422 and whatever else is the request's own fault
├── NotFound        404
├── Gone            410, or a version the server does not have: list again
└── Conflicted      409: read again and decide again
    ├── AlreadyExists
    └── OtherManager  another field manager owns what we would write; `managers` names it
Denied
├── Unauthenticated 401, after the credentials were read again once
└── Forbidden       403

Conflicts are never forced; who meets one names the other manager and hands over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from estate import canonical
from estate.errors import Denied, NeverRetry, PlacetError, RetryLater
from policies.admission.registering import REFUSED

LONGEST_MESSAGE = 400
LONGEST_WAIT = 300.0
_MANAGER = re.compile(r'conflict with "([^"]{1,128})"')
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class Unreachable(RetryLater):
    """The API server gave no whole answer."""


class Overloaded(RetryLater):
    """The API server answered that it cannot now. `after` is the least number of seconds to wait."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class Unregistered(Overloaded):
    """The door does not know the warrant (yet): the gate's word is on its way, or was taken back."""


class Budgeted(Overloaded):
    """A disruption budget does not allow this eviction now."""


class Rejected(NeverRetry):
    """The request is wrong, or a rule of the cluster says no. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotFound(NeverRetry):
    """There is no such object, or no such kind."""


class Gone(NeverRetry):
    """The version is no longer (or not yet) there: list again."""


class Conflicted(NeverRetry):
    """The object is another one by now; the same write can never succeed."""


class AlreadyExists(Conflicted):
    """An object of that name is there."""


class OtherManager(Conflicted):
    """Other field managers own the fields that a server-side apply would write."""

    def __init__(self, message: str, managers: tuple[str, ...], fields: tuple[str, ...]) -> None:
        super().__init__(message)
        self.managers = managers
        self.fields = fields


class Unauthenticated(Denied):
    """The credentials are not (or no longer) accepted."""


class Forbidden(Denied):
    """These credentials may not do this."""


def translated(status: int, body: object, call: str, retry_after: str | None = None) -> PlacetError:
    """The error that an answer means. `body` is the parsed answer, whatever it is; `call` is `GET /api/v1/nodes`."""
    said = body if isinstance(body, Mapping) else {}
    causes = _causes(said)
    message = _message(status, said, call)
    if status in _TRANSIENT:
        return _passing(status, said, causes, message, retry_after)
    match status:
        case 401:
            return Unauthenticated(f"{message}; renew the credentials")
        case 403 if REFUSED in message:
            return Unregistered(message)
        case 403:
            return Forbidden(f"{message}; see `placet doctor`")
        case 404:
            return NotFound(message)
        case 409:
            return _conflict(said, causes, message)
        case 410:
            return Gone(message)
        case _:
            return Rejected(message, status)


def unreachable(call: str, cause: BaseException) -> Unreachable:
    """No whole answer came. The caller raises it `from` the cause."""
    text = canonical.clean_text(str(cause), limit=LONGEST_MESSAGE).strip() or type(cause).__name__
    return Unreachable(f"`{call}` got no answer ({text}); the api server may be restarting")


def _passing(
    status: int, said: Mapping[str, Any], causes: Sequence[Mapping[str, Any]], message: str, retry_after: str | None
) -> PlacetError:
    reasons = {c.get("reason") for c in causes}
    if "ResourceVersionTooLarge" in reasons:
        return Gone(message)
    after = _seconds(retry_after) or _seconds(_mapping(said.get("details")).get("retryAfterSeconds"))
    if status == 429 and "DisruptionBudget" in reasons:
        return Budgeted(message, after)
    return Overloaded(message, after)


def _conflict(said: Mapping[str, Any], causes: Sequence[Mapping[str, Any]], message: str) -> PlacetError:
    if said.get("reason") == "AlreadyExists":
        return AlreadyExists(message)
    owned = [c for c in causes if c.get("reason") == "FieldManagerConflict"]
    if not owned:
        return Conflicted(f"{message}; read it again and decide again")
    found = (_MANAGER.search(str(c.get("message", ""))) for c in owned)
    managers = tuple(sorted({canonical.clean_text(f[1]) for f in found if f}))
    fields = tuple(sorted({canonical.clean_text(str(c.get("field", ""))) for c in owned}))
    names = ", ".join(f"`{m}`" for m in managers) or "another field manager"
    return OtherManager(f"{message}; {names} owns {', '.join(fields)}: ask its owner", managers, fields)


def _causes(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    causes = _mapping(said.get("details")).get("causes")
    return [c for c in causes if isinstance(c, Mapping)] if isinstance(causes, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _message(status: int, said: Mapping[str, Any], call: str) -> str:
    told = said.get("message")
    text = canonical.clean_text(told, limit=LONGEST_MESSAGE).strip().rstrip(".") if isinstance(told, str) else ""
    return f"`{call}` answered {status}: {text or 'no reason given'}"


def _seconds(value: object) -> float:
    """Seconds to wait, from a header or a number; 0 for what is not one (a date too: the next try tells)."""
    try:
        found = float(value) if isinstance(value, str | int | float) else 0.0
    except ValueError:
        return 0.0
    return min(found, LONGEST_WAIT) if found > 0 else 0.0
