"""A demo as a guest on a cluster that runs already: only where nobody lives, and it leaves nothing behind.

Called by `grounds`. It makes nodes that kwok plays, so it refuses a cluster that has any node, pod or namespace beyond
Kubernetes' own: whatever stands there at the end under the demo's names is the demo's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kubernetes.aio.client import ApiClient

from console.demo import estate, installing
from estate.errors import Denied
from estate.ids import ClusterId
from policies.admission import identities
from tools.controlplane import clients, populating

_OWN_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


async def refuse_inhabited(api: ApiClient, where: str) -> None:
    """Raises Denied, which names what lives there."""
    found = [f"{kind} `{name}`" for kind in ("node", "namespace", "pod") for name in await _names(api, kind)]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise Denied(
            f"{where} is inhabited ({', '.join(found[:3])}{more}); the demo makes nodes and tenants of its own and"
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
    await populating.until_none(lambda: _names(api, "namespace"), 60.0)


def _tenancies(cluster: ClusterId) -> Iterator[str]:
    yield from sorted({w.namespace for w in estate.world().workloads if w.cluster == cluster})


async def _names(api: ApiClient, kind: str) -> list[str]:
    items = (await clients.ask(api, "GET", f"/api/v1/{kind}s"))["items"]
    names = (str(item["metadata"]["name"]) for item in items)
    return [name for name in names if kind != "namespace" or name not in _OWN_NAMESPACES]
