"""What a connection can and cannot do in its cluster, proven by SelfSubjectAccessReview against the table of roles.

Called by `placet doctor`, which shows every row, and by `placet run`, which refuses a reader that can write. It asks
the API server about itself and changes nothing. What it asks for is `policies.admission.grants`, the table that the
roles were written from; SelfSubjectRulesReview adds the rights that nobody thought of, as far as they hold
cluster-wide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from estate.errors import NeverRetry
from policies.admission import grants
from policies.admission.grants import Access

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RULES: Final = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_ASKING: Final = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
"""Groups in which creating something is only asking."""
_SELF: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AT_ONCE: Final = 8
"""Questions in flight: a review is cheap, a flood of them is not polite."""


class Asks(Protocol):
    """One request to an API server, as `tools.kubernetes.connecting.Connection` makes it."""

    async def request(
        self, method: str, path: str, query: Mapping[str, str | int | bool] | None = None, body: Any = None
    ) -> Mapping[str, Any]:
        """The parsed answer of a success; raises for everything else."""


class Part(StrEnum):
    """Which of Placet's two accounts a connection is meant to be."""

    READER = "reader"
    WRITER = "writer"


@dataclass(frozen=True, slots=True)
class Row:
    """One access: whether the account should have it, and whether it has."""

    who: str
    access: Access
    expected: bool
    found: bool

    @property
    def well(self) -> bool:
        """Whether it is as the roles say."""
        return self.expected == self.found


async def review(connection: Asks, part: Part) -> tuple[Row, ...]:
    """Every access of the table for this account, and every one that it must not have, in the order of the table.

    Raises:
        RetryLater, NeverRetry, Denied: as the connection does.
    """
    granted = grants.allowed(grants.reader() if part is Part.READER else grants.writer())
    asked = sorted(granted | _elsewhere(granted) | set(grants.DENIED))
    who = await whoami(connection)
    found = await _all(connection, asked)
    rows = [Row(who, a, a in granted, f) for a, f in zip(asked, found, strict=True)]
    held = await _writes(connection)
    return (*rows, *(Row(who, a, expected=False, found=True) for a in sorted(held - set(asked))))


def reader_can_write(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows that make a reader more than a reader: what it could write or reach into, and secrets it could read."""
    return tuple(r for r in rows if r.found and not r.expected)


async def whoami(connection: Asks) -> str:
    """The name that the API server knows this connection by."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await connection.request("POST", _SELF, None, body)
    return str(_within(answer, "status", "userInfo", "username"))


async def can(connection: Asks, access: Access) -> bool:
    """Whether the connection may do this, in every namespace."""
    resource, _, part = access.resource.partition("/")
    attributes = {"verb": access.verb, "group": access.group, "resource": resource}
    attributes |= {"subresource": part} if part else {}
    attributes |= {"name": access.name} if access.name else {}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return _within(await connection.request("POST", _REVIEWS, None, body), "status", "allowed") is True


def _elsewhere(granted: frozenset[Access]) -> set[Access]:
    """What any change would need and this account was not given."""
    return {a for a in grants.allowed(grants.writer()) if a not in granted}


async def _all(connection: Asks, asked: Iterable[Access]) -> list[bool]:
    turn = asyncio.Semaphore(AT_ONCE)  # bounds the questions in flight, protects nothing

    async def one(access: Access) -> bool:
        async with turn:
            return await can(connection, access)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(a), name=f"review {a}") for a in asked]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [t.result() for t in tasks]


async def _writes(connection: Asks) -> set[Access]:
    """Every write that the API server lists among this connection's own cluster-wide rights."""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
    rules = _within(await connection.request("POST", _RULES, None, body), "status", "resourceRules")
    held = (
        {a for rule in rules if isinstance(rule, Mapping) for a in _ruled(rule)} if isinstance(rules, list) else set()
    )
    return {a for a in held if a.writes and a.group not in _ASKING}


def _ruled(rule: Mapping[str, Any]) -> Iterator[Access]:
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule.get("verbs") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Access(str(verb), str(group), str(resource), str(name))


def _within(answer: Mapping[str, Any], *path: str) -> object:
    found: object = answer
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            raise NeverRetry(f"the API server's answer has no `{'.'.join(path)}`; is it a Kubernetes of 1.28 or later")
        found = found[step]
    return found
