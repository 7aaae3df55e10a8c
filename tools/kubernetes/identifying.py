"""Who a cluster is: the uid of its `kube-system` namespace, which facts call it by (decision 0009)."""

from __future__ import annotations

from estate.ids import Uid
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import Connection


async def cluster_uid(connection: Connection) -> Uid:
    """The uid of the cluster behind the connection.

    Raises:
        Denied: these credentials are not accepted, or may not even read that.
        NeverRetry: it is no Kubernetes API server that answers.
        RetryLater: nobody answers.
    """
    form = await connection.request("GET", resources.IDENTITY)
    about = form.get("metadata")
    uid = about.get("uid") if isinstance(about, dict) else None
    if not isinstance(uid, str) or not uid:
        raise faults.Rejected("the namespace `kube-system` has no uid; is this a Kubernetes API server", 200)
    return Uid(uid)
