"""What a connection can and cannot do in its cluster, proven by SelfSubjectAccessReview against the table of roles.

Called by `placet doctor`, which shows every row, and by `placet run`, which refuses a reader that can write. It asks
the API server about itself and changes nothing. What it asks for is `policies.admission.grants`, the table that the
roles were written from; `holdings` adds the rights that nobody thought of, in whichever namespace they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies import objects
from policies.admission import grants, registering
from policies.admission.grants import Access, Grant
from tools.kubernetes import asking
from tools.kubernetes.asking import Asks, Told
from tools.kubernetes.holdings import Holdings, holdings

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SELF: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_NAMED: Final = 3
"""Namespaces that a row names; of more it says how many."""


class Part(StrEnum):
    """Which of Placet's accounts a connection is meant to be."""

    READER = "reader"
    WRITER = "writer"
    REGISTRAR = "registrar"


_GRANTED: Final[Mapping[Part, Callable[[], tuple[Grant, ...]]]] = {
    Part.READER: grants.reader,
    Part.WRITER: grants.writer,
    Part.REGISTRAR: lambda: registering.REGISTRARS,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One access: whether the account should have it, and whether it has."""

    who: str
    access: Access
    expected: bool
    found: bool
    where: tuple[str, ...] = ()
    """The namespaces in which it was found; none: everywhere."""

    def __str__(self) -> str:
        more = f" and {len(self.where) - _NAMED} more" if len(self.where) > _NAMED else ""
        return f"{self.access}{' in ' + ', '.join(self.where[:_NAMED]) + more if self.where else ''}"

    @property
    def well(self) -> bool:
        """Whether it is as the roles say."""
        return self.expected == self.found


async def review(
    connection: Asks, part: Part, spaces: Collection[str] | None = None, told: Told = lambda *_: None
) -> tuple[Row, ...]:
    """Every access of the table for this account, and every one that it must not have, in the order of the table.

    `spaces` are the namespaces in which the writer may write objects; None: in any that is no system's.

    Raises:
        RetryLater, NeverRetry, Denied: as the connection does.
    """
    granted = grants.allowed(_GRANTED[part]())
    asked = sorted(granted | _elsewhere(granted) | set(grants.DENIED))
    who = await whoami(connection)

    async def one(access: Access) -> bool:
        return await can(connection, access)

    found = await asking.each(one, asked)
    rows = [Row(who, a, a in granted, f) for a, f in zip(asked, found, strict=True)]
    held = await holdings(connection, told)
    beyond = (Row(who, a, expected=False, found=True) for a in sorted(held.everywhere - set(asked) - _registered(held)))
    return (*rows, *beyond, *_bound(who, part, held, spaces))


def _registered(held: Holdings) -> set[Access]:
    """Warrants that stand in the register now: rights that open nothing but the door's own rule."""
    return {a for a in held.everywhere if (a.verb, a.group, a.resource) == ("use", registering.GROUP, "warrants")}


def _bound(who: str, part: Part, held: Holdings, spaces: Collection[str] | None) -> Iterator[Row]:
    """What it was given in single namespaces, and should not have there."""
    objects_of = grants.allowed(grants.in_tenants()) if part is Part.WRITER else frozenset()
    for access, found in held.somewhere.items():
        where = tuple(n for n in found if access not in objects_of or not _a_tenants(n, spaces))
        if where:
            yield Row(who, access, expected=False, found=True, where=where)


def _a_tenants(space: str, spaces: Collection[str] | None) -> bool:
    return not objects.is_system(space) and (spaces is None or space in spaces)


def reader_can_write(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows that make a reader more than a reader: what it could write or reach into, and secrets it could read."""
    return tuple(r for r in rows if r.found and not r.expected)


async def whoami(connection: Asks) -> str:
    """The name that the API server knows this connection by."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await connection.request("POST", _SELF, None, body)
    return str(asking.within(answer, "status", "userInfo", "username"))


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
    return asking.within(await connection.request("POST", _REVIEWS, None, body), "status", "allowed") is True


def _elsewhere(granted: frozenset[Access]) -> set[Access]:
    """What any change would need and this account was not given."""
    return {a for a in grants.allowed(grants.writer()) if a not in granted}
