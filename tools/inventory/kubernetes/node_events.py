"""What others tell of a cluster's nodes as Kubernetes events: each told on once, as an observation. In memory, no I/O.

Called by `modelling`. What stood there before we looked is known and not told: an event lasts an hour, its trouble may
be over, and what still holds stands in the node's conditions. An event that is counted up is another one.
"""

from __future__ import annotations

from estate.ids import ClusterId
from estate.observations import Observation, Severity
from tools.kubernetes.fields import Raw
from tools.kubernetes.resources import Resource
from tools.payloads.clusters import objects
from tools.payloads.contexts import Context


class NodeEvents:
    """One cluster's. One task alone uses it."""

    def __init__(self, cluster: ClusterId) -> None:
        self._context = Context("kubernetes", cluster=cluster)
        self._known: dict[str, str] = {}
        self._began = False

    def begin(self) -> None:
        """Everything that stood there is known; whatever comes from now on is news."""
        self._began = True

    def put(self, resource: Resource, raw: Raw) -> list[Observation]:
        """What an event tells that was not told yet. Raises BadInput."""
        whole = {**raw, "apiVersion": resource.api_version, "kind": resource.kind}
        found = objects.read(whole, "", self._context).observations
        about = raw.get("metadata")
        uid = about.get("uid") if isinstance(about, dict) else None
        news = [o for o in found if isinstance(uid, str) and self._known.get(uid) != o.sender_id]
        self._known.update((str(uid), o.sender_id) for o in news)
        return [o for o in news if self._began and o.severity is not Severity.INFO]

    def drop(self, uid: str) -> None:
        """The event ran out."""
        self._known.pop(uid, None)
