"""Who else sets a controller's replicas. Called before anything that counts them is written."""

from __future__ import annotations

from typing import Final

from tools.execution.kubernetes.listing import listed
from tools.execution.kubernetes.writing import Address
from tools.kubernetes.connecting import Connection
from tools.kubernetes.resources import Resource

AUTOSCALERS: Final = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")


async def scaling(connection: Connection, address: Address) -> str | None:
    """The name of the autoscaler that scales the controller at `address`, there already or not; None for nobody."""
    for scaler in await listed(connection, AUTOSCALERS, address.namespace):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (address.resource.kind, address.name):
            return str(scaler["metadata"]["name"])
    return None
