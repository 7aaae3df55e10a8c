"""The official client against a control plane of one's own: plain JSON in, plain JSON out.

Called by `launching`, `populating` and tests. It retries nothing and hides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, ApiException

type Object = dict[str, Any]
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


async def connect(kubeconfig: Path, context: str | None = None) -> ApiClient:
    """A client that speaks as the user of the file's context (None: its current one); close it, or `async with` it."""
    connecting = config.new_client_from_config(  # type: ignore[no-untyped-call]
        str(kubeconfig), context=context, persist_config=False
    )
    return cast("ApiClient", await connecting)


async def ask(
    api: ApiClient, method: str, path: str, body: Mapping[str, Any] | None = None, *, content_type: str = JSON
) -> Object:
    """One request, and the object it answers. Raises ApiException for every status but 2xx."""
    headers = {"Accept": JSON, "Content-Type": content_type}
    sent = await api.param_serialize(
        method=method, resource_path=path, header_params=headers, body=body, auth_settings=["BearerToken"]
    )
    answer = await api.call_api(*sent)
    data = await answer.response.read()
    if not HTTPStatus(answer.status).is_success:
        raise ApiException.from_response(http_resp=answer, body=data.decode(), data=None)
    return cast("Object", json.loads(data))


async def create(api: ApiClient, path: str, body: Mapping[str, Any]) -> None:
    """Create an object; one that is there already is left as it is."""
    try:
        await ask(api, "POST", path, body)
    except ApiException as error:
        if error.status != HTTPStatus.CONFLICT:
            raise


async def delete(api: ApiClient, path: str) -> None:
    """Delete an object, and by and by what it owns; one that is gone already is none of our business."""
    try:
        await ask(api, "DELETE", path, {"propagationPolicy": "Background"})
    except ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


async def service_account_token(api: ApiClient, namespace: str, name: str, lifetime: timedelta) -> str:
    """A token by TokenRequest; the account is made where it is missing. The shortest lifetime is ten minutes."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await create(api, "/api/v1/namespaces", {"metadata": {"name": namespace}})
    await create(api, accounts, {"metadata": {"name": name}})
    spec = {"expirationSeconds": int(lifetime.total_seconds())}
    answer = await ask(api, "POST", f"{accounts}/{name}/token", {"spec": spec})
    return str(answer["status"]["token"])
