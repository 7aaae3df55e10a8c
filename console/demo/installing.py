"""Puts Placet's law and identities into a demo's cluster, as an administrator would by `placet policy export`.

Called by `grounds`. Reader and writer are real service accounts with tokens of the API server's making; each gets a
kubeconfig of its own beside the administrator's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import ApiClient, ApiException

from estate.errors import BadInput
from estate.ids import ClusterId
from estate.law import Facts
from policies.admission import identities, labels
from policies.admission.exporting import admission
from policies.admission.manifests import Manifest
from policies.admission.roles import rbac
from tools.controlplane import clients
from tools.controlplane.credentials import write_private
from tools.controlplane.populating import at_once, until_none
from tools.kubernetes.connecting import Access

TOKENS_FOR = timedelta(hours=8)
_DRY_RUN = "dryRun=All"
_REFUSED = frozenset({403, 422})


@dataclass(frozen=True, slots=True)
class Foothold:
    """How a demo reaches one cluster: as its administrator, and as Placet's accounts."""

    cluster: ClusterId
    admin: Access
    reader: Path
    writer: Path
    registrar: Path


async def identify(api: ApiClient, cluster: ClusterId, admin: Access, folder: Path) -> Foothold:
    """Make the accounts with their roles, and a kubeconfig for each in `folder`."""
    await _create(api, rbac())
    files = {}
    for account in (identities.READER, identities.WRITER, identities.REGISTRAR):
        token = await clients.service_account_token(api, identities.NAMESPACE, account, TOKENS_FOR)
        files[account] = folder / f"{cluster}-{account}.kubeconfig"
        _write_kubeconfig(admin, account, token, files[account])
    return Foothold(cluster, admin, files[identities.READER], files[identities.WRITER], files[identities.REGISTRAR])


async def withdraw(api: ApiClient, facts: Facts, cluster: ClusterId) -> None:
    """Delete all that `identify` and `shut` made, in the other order."""
    for manifest in reversed((*rbac(), *admission(facts, cluster))):
        await clients.delete(api, f"{collection(manifest)}/{_name(manifest)}")


async def shut(api: ApiClient, facts: Facts, cluster: ClusterId, *, seconds: float = 60.0) -> None:
    """Put the law at the door, and wait until nodes that facts place get their label: then it is in force."""
    await _create(api, admission(facts, cluster))
    site = facts.cluster[cluster].site
    node = next(n for r in facts.racks if r.site == site for n in r.nodes)
    await until_none(lambda: _unlabelled(api, node, str(site)), seconds)


async def refused(writer: ApiClient, node: str) -> str | None:
    """What the API server says to Placet's writer of a dry write without a warrant; None where it lets it through."""
    path = f"/api/v1/nodes/{node}?{_DRY_RUN}"
    body = {"spec": {"unschedulable": True}}
    try:
        await clients.ask(writer, "PATCH", path, body, content_type=clients.MERGE_PATCH)
    except ApiException as error:
        if error.status not in _REFUSED:
            raise
        return str(json.loads(error.body or "{}").get("message", ""))
    return None


async def _create(api: ApiClient, found: Iterable[Manifest]) -> None:
    """Namespaces first, and what lies in them after."""
    manifests = list(found)
    first = [m for m in manifests if m["kind"] == "Namespace"]
    for group in (first, [m for m in manifests if m not in first]):
        await at_once(clients.create(api, collection(m), m) for m in group)


def _name(manifest: Manifest) -> str:
    about = manifest["metadata"]
    assert isinstance(about, dict)
    return str(about["name"])


def collection(found: Manifest) -> str:
    """Where objects of this kind are created."""
    version, kind, about = str(found["apiVersion"]), str(found["kind"]).lower(), found["metadata"]
    assert isinstance(about, dict)
    plural = f"{kind[:-1]}ies" if kind.endswith("policy") else f"{kind}s"
    inside = f"/namespaces/{about['namespace']}" if "namespace" in about else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{inside}/{plural}"


async def _unlabelled(api: ApiClient, node: str, site: str) -> list[str]:
    about = {"name": node, "labels": {labels.HOST: node}}  # as a kubelet registers it
    made = await clients.ask(api, "POST", f"/api/v1/nodes?{_DRY_RUN}", {"kind": "Node", "metadata": about})
    labelled = made["metadata"]["labels"].get(labels.SITE) == site
    return [] if labelled else [f"no label for {node} yet"]


def _write_kubeconfig(admin: Access, user: str, token: str, into: Path) -> None:
    """The cluster of the administrator's context, with another user."""
    file = admin.kubeconfig
    assert file is not None, "a demo is given a kubeconfig"
    form: dict[str, Any] = yaml.safe_load(file.read_text())
    context = _named(form, "contexts", admin.context or form["current-context"], file)["context"]
    cluster = _named(form, "clusters", context["cluster"], file)["cluster"]
    if "certificate-authority" in cluster:
        cluster["certificate-authority"] = str(file.parent.absolute() / cluster["certificate-authority"])
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": user, "context": {"cluster": "cluster", "user": user}}],
        "current-context": user,
    }
    write_private(into, json.dumps(made, indent=1))


def _named(form: dict[str, Any], part: str, name: str, file: Path) -> dict[str, Any]:
    found = next((entry for entry in form.get(part) or () if entry["name"] == name), None)
    if found is None:
        raise BadInput(f"{file}: no `{name}` among its {part}; correct the file or name another context")
    return dict(found)
