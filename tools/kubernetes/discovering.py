"""What an API server says of its kinds: which it serves, and the OpenAPI v3 document of each group and version.

Called by the source, and by whoever compares objects (`tools.drift.schemas` reads the documents). Every account that
may log in may read it. A group that the server does not have is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from tools.kubernetes import faults
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import Resource


async def documents(connection: Connection, api_versions: Iterable[str]) -> list[Object]:
    """The documents of these (`v1`, `apps/v1`). Raises RetryLater, Denied as the connection does."""
    found = []
    for each in sorted(set(api_versions)):
        root = f"/openapi/v3/apis/{each}" if "/" in each else f"/openapi/v3/api/{each}"
        try:
            found.append(await connection.request("GET", root))
        except faults.NotFound:
            continue
    return found


async def served(connection: Connection, wanted: Iterable[Resource]) -> list[Resource]:
    """Those of the kinds that the server serves, each in the newest version that it and we know.

    Raises RetryLater, Denied as the connection does.
    """
    groups: defaultdict[str, list[Resource]] = defaultdict(list)
    for kind in wanted:
        groups[kind.group].append(kind)
    there = await _versions(connection)
    found: list[Resource] = []
    for group, kinds in groups.items():
        known = dict.fromkeys(v for k in kinds for v in (k.version, *k.older))
        missing = {k.name: k for k in kinds}
        for version in (v for v in known if v in there.get(group, ())):
            plurals = await _plurals(connection, group, version) if missing else set()
            for name, kind in list(missing.items()):
                if kind.plural in plurals and version in (kind.version, *kind.older):
                    found.append(replace(kind, version=version))
                    del missing[name]
    return found


async def _versions(connection: Connection) -> dict[str, set[str]]:
    """Every version of every group; Kubernetes' own first group has one for good."""
    answer = await connection.request("GET", "/apis")
    found = {"": {"v1"}}
    for group in _items(answer, "groups"):
        found[str(group.get("name"))] = {str(v.get("version")) for v in _items(group, "versions")}
    return found


async def _plurals(connection: Connection, group: str, version: str) -> set[str]:
    try:
        answer = await connection.request("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
    except faults.NotFound:
        return set()  # it went away in between
    return {str(r.get("name")) for r in _items(answer, "resources")}


def _items(form: Object, field: str) -> list[Object]:
    found = form.get(field)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []
