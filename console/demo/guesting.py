"""A demo as a guest on a cluster that runs already: only where nobody lives, and it leaves nothing behind.

Called by `grounds`. It makes nodes that kwok plays, so it refuses a cluster that has any node, pod or namespace beyond
Kubernetes' own: whatever stands there at the end under the demo's names is the demo's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client import ApiClient

from console.demo import estate, installing
from estate.errors import Denied
from estate.ids import ClusterId
from policies.admission import identities
from tools.controlplane import clients, populating
from tools.kubernetes.connecting import Access, Connection

_KINDS = ("node", "namespace", "pod")
_OWN_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


async def refuse_inhabited(access: Access) -> None:
    """Raises Denied, which names what lives there, and as a connection does where it cannot be seen."""
    async with await Connection.open(access) as connection:
        found = [
            f"{kind} `{name}`" for kind in _KINDS for name in _foreign(await connection.request("GET", _all(kind)))
        ]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise Denied(
            f"{access} is inhabited ({', '.join(found[:3])}{more}); the demo makes nodes and tenants of its own and"
            " plays only on an empty cluster whose nodes kwok plays, or with `--cluster local`"
        )


async def leave(api: ApiClient, cluster: ClusterId) -> None:
    """Delete everything that the demo made in `cluster`, so that it is as empty as it was."""
    await installing.withdraw(api, estate.facts(datetime.now(UTC)), cluster)
    for namespace in _tenancies(cluster):
        await clients.delete(api, f"/apis/batch/v1/namespaces/{namespace}/jobs/{estate.power_hungry_job().name}")
    await populating.clear(api, estate.world(), cluster)
    namespaces = [*_tenancies(cluster), identities.NAMESPACE]
    await populating.at_once(clients.delete(api, f"/api/v1/namespaces/{n}") for n in namespaces)
    await populating.until_none(lambda: _left(api), 60.0)


def _tenancies(cluster: ClusterId) -> Iterator[str]:
    yield from sorted({w.namespace for w in estate.world().workloads if w.cluster == cluster})


async def _left(api: ApiClient) -> list[str]:
    return _foreign(await clients.ask(api, "GET", _all("namespace")))


def _all(kind: str) -> str:
    return f"/api/v1/{kind}s"


def _foreign(listed: Mapping[str, Any]) -> list[str]:
    """The names in a list, without the namespaces that every cluster has."""
    names = (str(item["metadata"]["name"]) for item in listed["items"])
    return [n for n in names if listed["kind"] != "NamespaceList" or n not in _OWN_NAMESPACES]
