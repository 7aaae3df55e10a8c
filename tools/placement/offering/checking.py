"""What a request names against what is there: tenants, models, data, sites, users. Pure; called by `requests`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from estate.errors import BadInput
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.placement import asking, staging
from tools.placement.columns import Columns

if TYPE_CHECKING:
    from tools.placement.offering.requests import Request

_MOST_REPLICAS: Final = 1000


def check(snapshot: Snapshot, columns: Columns, request: Request, now: datetime) -> None:
    """Raises BadInput for the first thing that it names and that is not there; the message begins with the field."""
    facts = snapshot.facts
    if request.tenant not in facts.tenant:
        raise BadInput(f"tenant: no tenant `{request.tenant}`; there are {', '.join(sorted(facts.tenant))}")
    if not columns.ids:
        raise BadInput("the estate has no nodes; wait for the inventory, or see `placet doctor`")
    for model in (*request.models, *(m for f in request.fed_by for m in f.models)):
        if model not in columns.models:
            raise BadInput(f"models: nobody here has a `{model}`; there are {', '.join(sorted(columns.models))}")
    for name in request.datasets:
        if name not in facts.dataset:
            raise BadInput(f"datasets: no dataset `{name}` in the signed facts; have it added first")
    spaces = {n.name for n in facts.tenant[request.tenant].namespaces}
    if request.namespace and request.namespace not in spaces:
        raise BadInput(
            f"namespace: `{request.namespace}` is not one of `{request.tenant}`; there are {', '.join(sorted(spaces))}"
        )
    if request.deadline is not None and request.deadline <= now:
        raise BadInput(f"deadline: `{request.deadline:%FT%TZ}` has passed; name a later one")
    _check_terms(snapshot, request)
    asking.check_sites(snapshot, request.sites)


def _check_terms(snapshot: Snapshot, request: Request) -> None:
    for users in request.users:
        if users not in snapshot.facts.site and snapshot.stock.get(Ref("region", users)) is None:
            raise BadInput(
                f"users: no site or region `{users}`; there are the sites {', '.join(sorted(snapshot.facts.site))}"
            )
    for feeder in request.fed_by:
        if staging.replicas_for(request.items_per_hour, feeder.items_per_hour) > _MOST_REPLICAS:
            raise BadInput(
                f"fed_by: more than {_MOST_REPLICAS} replicas of `{feeder.name}` would be needed; correct the rates"
            )
