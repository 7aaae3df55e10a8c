"""What goes wrong with machines, done to a control plane of one's own: a node fails, a node returns.

Called by tests, demo and evals. The condition is written as a kubelet would, and kwok leaves a silent node alone;
taints and evictions then follow from the real controllers.
"""

from __future__ import annotations

from kubernetes.aio.client import ApiClient

from tools.controlplane import clients, objects

_STRATEGIC = "application/strategic-merge-patch+json"


async def fail_node(api: ApiClient, name: str, reason: str = "PlacetFault") -> None:
    """The node is not ready from now on, whatever kwok would say of it."""
    path = f"/api/v1/nodes/{name}"
    silent = {"metadata": {"annotations": {objects.SILENT: reason}}}
    await clients.ask(api, "PATCH", path, silent, content_type=clients.MERGE_PATCH)
    status = {"status": {"conditions": [objects.ready("False", reason)]}}
    await clients.ask(api, "PATCH", f"{path}/status", status, content_type=_STRATEGIC)


async def return_node(api: ApiClient, name: str) -> None:
    """kwok may speak for the node again, and says that it is ready."""
    body = {"metadata": {"annotations": {objects.SILENT: None}}}
    await clients.ask(api, "PATCH", f"/api/v1/nodes/{name}", body, content_type=clients.MERGE_PATCH)


async def lose_accelerators(api: ApiClient, name: str, left: int, resource: str = objects.GPU) -> None:
    """The node can allot only `left` accelerators, as a device plugin says of a node whose devices failed."""
    body = {"status": {"allocatable": {resource: str(left)}}}
    await clients.ask(api, "PATCH", f"/api/v1/nodes/{name}/status", body, content_type=clients.MERGE_PATCH)
