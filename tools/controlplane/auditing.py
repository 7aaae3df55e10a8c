"""Reads the API server's audit log: who asked for what, and who wrote.

Called by tests and demo to show what was not done. It sees what the API server logged (metadata of every request); the
last line may still be in the making and is then left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

READING = frozenset({"get", "list", "watch"})
# Questions that Kubernetes asks by POST: they change nothing and keep nothing.
_QUESTIONS = frozenset(
    {
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "selfsubjectreviews",
        "subjectaccessreviews",
        "tokenreviews",
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request."""

    user: str
    verb: str
    resource: str
    """With its subresource: `pods/eviction`."""
    namespace: str
    name: str
    status: int
    agent: str
    dry_run: bool

    @property
    def writes(self) -> bool:
        """Whether it asked for a change (a dry run asks for none)."""
        asks = self.resource.partition("/")[0] in _QUESTIONS
        return self.verb not in READING and bool(self.resource) and not asks and not self.dry_run


def requests(log: Path, user: str = "") -> Iterator[Request]:
    """Every answered request (of that user), oldest first. A watch is there once when it starts and once when it ends.

    The lines that do not name the user are not read: a log has tens of thousands, and is asked again and again.
    """
    named = orjson.dumps(user)[1:-1]
    with log.open("rb") as lines:
        for line in lines:
            if named in line and line.endswith(b"\n"):
                found = _request(orjson.loads(line))
                if not user or found.user == user:
                    yield found


def writes(log: Path, user: str) -> list[Request]:
    """What that user asked to be changed, refused or not."""
    return [r for r in requests(log, user) if r.writes]


def _request(event: dict[str, object]) -> Request:
    of, user, status = (event.get(key) or {} for key in ("objectRef", "user", "responseStatus"))
    assert isinstance(of, dict)
    assert isinstance(user, dict)
    assert isinstance(status, dict)
    parts = [of.get("resource", ""), of.get("subresource", "")]
    return Request(
        user=user.get("username", ""),
        verb=str(event.get("verb", "")),
        resource="/".join(part for part in parts if part),
        namespace=of.get("namespace", ""),
        name=of.get("name", ""),
        status=int(status.get("code", 0)),
        agent=str(event.get("userAgent", "")),
        dry_run="dryRun=" in str(event.get("requestURI", "")),
    )
