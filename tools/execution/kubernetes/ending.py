"""An object is deleted as it was read, and its end awaited. Called for objects, copies and what a copy replaces."""

from __future__ import annotations

from estate.errors import RetryLater
from estate.results import Refusal
from tools.execution.kubernetes.evicting import Unfinished
from tools.execution.kubernetes.waiting import Limits
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Found, Outrun, find, refused
from tools.kubernetes import faults
from tools.kubernetes.connecting import Object


async def delete(found: Found, *, dependents: bool = False, dry_run: bool = False) -> Refusal | None:
    """Delete this very object as it was read; with `dependents`, only once all that it made has ended.

    All options stand in the body: an API server that is given one does not look at the query, at `dryRun` neither.

    Raises:
        Outrun: it changed since it was read.
        RetryLater: a passing fault.
    """
    meant = {"uid": found.uid, "resourceVersion": found.version}
    body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": meant}
    body |= {"propagationPolicy": "Foreground"} if dependents else {}
    body |= {"dryRun": ["All"]} if dry_run else {}
    try:
        await found.connection.request("DELETE", found.address.path, None, body)
    except faults.NotFound:
        return None
    except faults.Conflicted as error:
        raise Outrun(f"{found.address} changes faster than it can be deleted ({error})") from error
    except faults.Unauthenticated as error:
        raise RetryLater(str(error)) from error
    except (faults.Rejected, faults.Forbidden) as error:
        return refused(found.address, error)
    return None


def is_ending(found: Found) -> bool:
    """Whether it was deleted, and something still holds it."""
    return bool(found.raw["metadata"].get("deletionTimestamp"))


async def ended(limits: Limits, found: Found) -> None:
    """Wait until it is gone, or another one stands in its place.

    Raises:
        Unfinished: it is still there at the deadline.
    """

    async def look() -> Found | None:
        left = await find(found.connection, found.address)
        return left if left is not None and left.uid == found.uid else None

    left = await limits.deadline(limits.end).until(look, lambda seen: seen is None, _since)
    if left is not None:
        finalizers = ", ".join(left.raw["metadata"].get("finalizers") or ()) or "none"
        raise Unfinished(
            f"{found.address} was deleted and is still there after {limits.end:g} s; its finalizers: {finalizers}"
        )


def _since(found: Found | None) -> tuple[Since, ...]:
    if found is None:
        return ()
    address = found.address
    return (Since.of(found.connection, address.resource, address.namespace, address.name, found.version),)
