"""A control plane of one's own: it starts, survives kill -9 of its API server, and tells who may do what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kubernetes.aio.client import ApiClient, ApiException

from tools.controlplane import clients
from tools.controlplane.launching import ControlPlane

pytestmark = pytest.mark.kubernetes


async def test_the_shared_control_plane_keeps_what_it_is_given(
    kubernetes_api: ApiClient, cluster_names: Callable[[str], str]
):
    """The least that a test of Kubernetes needs: an object written is an object read."""
    name = cluster_names("kept")
    await clients.create(kubernetes_api, "/api/v1/namespaces", {"metadata": {"name": name}})
    assert (await clients.ask(kubernetes_api, "GET", f"/api/v1/namespaces/{name}"))["status"] == {"phase": "Active"}


async def test_a_new_identity_may_do_only_what_rbac_grants_it(control_plane: ControlPlane):
    """Authorization is on: whoever is minted starts with nothing."""
    reader = await control_plane.service_account("placet", "nobody-yet")
    async with control_plane.client(reader) as api:
        with pytest.raises(ApiException) as refused:
            await clients.ask(api, "GET", "/api/v1/nodes")
    assert refused.value.status == 403
    assert "system:serviceaccount:placet:nobody-yet" in str(refused.value.body)
