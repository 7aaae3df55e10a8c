"""An offer made firm: the change that would reserve what was found, for the time that was asked for. Pure.

Called by `offers`. It reserves nothing: the change is proposed like every other, judged by the gate, and kept by the
book. A time that cannot be is a BadInput that names the field; how long is allowed is the law's to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from estate.changes import ReserveCapacity
from estate.errors import BadInput
from estate.ids import NodeId, ReservationId, TenantId, WorkloadId
from estate.records import Model, Time
from estate.snapshots import Snapshot
from estate.uses.reservations import Afterwards, Meanwhile, Seat, Terms
from estate.workloads import Binding, Workload

USUAL: Final = timedelta(hours=24)
"""For how long, where neither an end nor a deadline is named."""
_PAST: Final = timedelta(minutes=1)
"""How far back `start` may lie: a command takes its time."""


class Window(Model):
    """From when to when it is to be reserved, for what of theirs, and what may be there before and after."""

    start: Time | None = None
    """None: from now on."""
    end: Time | None = None
    """None: to the deadline of what is asked for; without one for a day."""
    workload: WorkloadId | None = None
    """For this one of the tenant's alone, when it comes; None: for any of theirs."""
    meanwhile: Meanwhile = Meanwhile.PREEMPTIBLE
    afterwards: Afterwards = Afterwards.STAYS


def check_workload(snapshot: Snapshot, window: Window, tenant: TenantId) -> None:
    """Raises BadInput where it is to be for work of another tenant: nobody could use it."""
    found = snapshot.workload(window.workload) if window.workload is not None else None
    if found is not None and found.tenant != tenant:
        raise BadInput(f"workload: no workload `{window.workload}` of `{tenant}`; see `placet get workloads`")


def span(window: Window, deadline: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The time that is meant.

    Raises:
        BadInput: it has passed, or ends before it starts.
    """
    if window.start is not None and window.start < now - _PAST:
        raise BadInput(f"start: `{window.start:%FT%TZ}` has passed; name a later one, or leave it out for now")
    start = max(window.start, now) if window.start is not None else now
    end = window.end or deadline or start + USUAL
    if end <= now:
        raise BadInput(f"end: `{end:%FT%TZ}` has passed; name a later one")
    if end <= start:
        raise BadInput(f"end: `{end:%FT%TZ}` is not after the start, `{start:%FT%TZ}`; name a later one")
    return start, end


def reservation(
    workload: Workload, bindings: Iterable[Binding], window: Window, times: tuple[datetime, datetime]
) -> ReserveCapacity:
    """The change that reserves these homes; equal answers have one name."""
    seats: dict[NodeId, set[int]] = {}
    for binding in bindings:
        seats.setdefault(binding.node, set()).update(binding.accelerators)
    held = {n: i for n, i in seats.items() if i}
    if not held:
        raise BadInput("accelerators: nothing is reserved of work that asks for none; name at least 1")
    terms = Terms(
        tenant=workload.tenant,
        workload=window.workload,
        seats=tuple(Seat(node=n, accelerators=tuple(sorted(held[n]))) for n in sorted(held)),
        watts_per_accelerator=workload.watts_per_accelerator,
        start=times[0],
        end=times[1],
        meanwhile=window.meanwhile,
        afterwards=window.afterwards,
    )
    return ReserveCapacity(reservation=named(terms), terms=terms)


def named(terms: Terms) -> ReservationId:
    """What such a reservation is called."""
    return ReservationId(f"{terms.tenant}-{terms.digest.partition(':')[2][:10]}")
