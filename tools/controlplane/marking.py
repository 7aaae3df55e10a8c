"""Only a cluster that is empty, or that was marked when it was, is ever populated: what is somebody's own is refused.

Called before `populating` by commands that reach a cluster which they did not start themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

from kubernetes.aio.client import ApiClient, ApiException

from estate.errors import Denied
from estate.ids import ClusterId
from estate.worlds import World
from tools.controlplane import clients

MARK = "placet-generated"
_MARKS = "/api/v1/namespaces/kube-system/configmaps"
_OWN = ("default", "kube-")
"""How the namespaces begin that every cluster has."""
_NAMED = 5


async def claim(api: ApiClient, world: World, cluster: ClusterId) -> None:
    """Mark the cluster as one that holds this part of a made-up world.

    Raises:
        Denied: it holds nodes or namespaces, and no mark; or the mark is of something else.
    """
    digest = world.digest
    marked = await _mark(api)
    if marked is None:
        if found := [thing async for thing in _strangers(api)]:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise Denied(f"the cluster is not empty: it has {', '.join(found[:_NAMED])}{more}; name an empty one")
        await clients.create(api, _MARKS, {"metadata": {"name": MARK}, "data": {"world": digest, "cluster": cluster}})
    elif marked != {"world": digest, "cluster": cluster}:
        raise Denied(
            f"the cluster holds another made-up world (`{marked.get('world', '')[:19]}` of "
            f"`{marked.get('cluster', '')}`); repeat it with its own options, or name an empty cluster"
        )


async def _mark(api: ApiClient) -> dict[str, str] | None:
    try:
        data: dict[str, str] = (await clients.ask(api, "GET", f"{_MARKS}/{MARK}")).get("data", {})
    except ApiException as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    return data


async def _strangers(api: ApiClient) -> AsyncIterator[str]:
    for node in (await clients.ask(api, "GET", "/api/v1/nodes"))["items"]:
        yield f"node `{node['metadata']['name']}`"
    for space in (await clients.ask(api, "GET", "/api/v1/namespaces"))["items"]:
        name = space["metadata"]["name"]
        if not name.startswith(_OWN):
            yield f"namespace `{name}`"
