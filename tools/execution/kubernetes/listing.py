"""Every object of a kind as raw JSON, with the version that a watch goes on from."""

from __future__ import annotations

from dataclasses import dataclass

from tools.execution.kubernetes.watching import Since
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import Resource


@dataclass(frozen=True, slots=True)
class Listing:
    """What was there, and what to watch for another answer."""

    items: list[Object]
    since: Since


async def listing(
    connection: Connection, kind: Resource, namespace: str = "", *, fields: str = "", labels: str = ""
) -> Listing:
    """A whole list as of one version, narrowed by selectors where they are given."""
    items: list[Object] = []
    version = ""
    told = {k: v for k, v in {"fieldSelector": fields, "labelSelector": labels}.items() if v}
    async for page in connection.pages(kind.path(namespace), told or None):
        items += page.items
        version = page.version
    return Listing(items, Since(connection, kind, namespace, fields, labels, version))


async def listed(
    connection: Connection, kind: Resource, namespace: str = "", *, fields: str = "", labels: str = ""
) -> list[Object]:
    """The same, for who only looks once."""
    return (await listing(connection, kind, namespace, fields=fields, labels=labels)).items
