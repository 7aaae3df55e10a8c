"""The guardrails of tier 1 and what is attached, in words: needed against found, and what would make it permissible.

Pure; called by `words` with the rule's own request. A rule that is not here says of itself what its annotations say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

from policies.asks import Ask, Context
from policies.promises import KEY_RANKS

type Told = tuple[str, str, str]
"""Needed, found, remedy; an empty one is left to the rule."""


def told(rule: str, ask: Ask) -> Told | None:
    """What that rule has to say of its request, or None."""
    tell = _TELLS.get(rule)
    return tell(ask.context) if tell is not None else None


def _blast(what: str, field: str, found: str) -> Callable[[Context], Told]:
    def tell(context: Context) -> Told:
        most = _number(cast(Context, context["most"]), field)
        return (
            f"at most {most} {what} in one proposal",
            _radius(context),
            f"split it: {most} {what} at most, of {context[found]}",
        )

    return tell


def _radius(context: Context) -> str:
    found = f"{context['nodes']} nodes, {context['workloads']} workloads, {context['disruptedReplicas']} replicas"
    return f"{found}, {context['objects']} objects" if context["objects"] else found


def _fenced(context: Context) -> Told:
    nodes, most = context["nodes"], context["fencedMost"]
    return (
        f"at most {most} of {nodes} nodes fenced, those in flight included",
        f"{context['fencedAfter']} of {nodes} nodes fenced after the change",
        "",
    )


def _rate(context: Context) -> Told:
    return "no more changes within the window than the house allows", _beyond(context, "rate"), ""


def _at_once(context: Context) -> Told:
    return "no more changes under way than the house allows", _beyond(context, "atOnce"), ""


def _beyond(context: Context, field: str) -> str:
    load = cast(Context, context[field])
    return f"{'; '.join(_names(load['beyond']))}; this proposal included"


def _watts(limit: str, thing: str) -> Callable[[Context], Told]:
    def tell(context: Context) -> Told:
        before, after, most = (_number(context, k) for k in ("wattsBefore", "wattsAfter", limit))
        free = max(most - before, 0)
        kept = reserved(context)
        found = f"{before} W already (what is in flight included{kept}), {free} W free; {after} W after the change"
        return (
            f"{after - before} W more within {most} W {thing}",
            found,
            f"plan for at most {free} W here, or choose another place",
        )

    return tell


def reserved(context: Context) -> str:
    """The reservations that count in a level, to be put behind it."""
    by = ", ".join(_names(context["reserved"]))
    return f", what is reserved by {by} too" if by else ""


def _kept(context: Context) -> Told:
    return "devices that nobody else has reserved, and no neighbour of theirs", _by(context), ""


def _running(context: Context) -> Told:
    return "a node on which nothing runs", f"{len(_names(context['tenants']))} tenants have work there", ""


def _by(context: Context) -> str:
    return f"reserved by {', '.join(_names(context['reserved']))}"


def _term(context: Context) -> Told:
    long, ahead = (_number(context, k) / 3600 for k in ("secondsLongMost", "secondsAheadMost"))
    found = f"{_number(context, 'secondsLong') / 3600:.0f} hours, {_number(context, 'secondsAhead') / 3600:.0f} ahead"
    over = ", and its end has passed" if context["over"] else ""
    return f"at most {long:.0f} hours, to start within {ahead:.0f}, and an end that is to come", found + over, ""


def _machines(context: Context) -> Told:
    most, added = context["machinesMost"], context["addedMost"]
    found = f"{context['machines']} machines, {context['added']} more in this proposal"
    return f"{context['machinesLeast']} to {most} machines, at most {added} more at once", found, ""


def _offered(context: Context) -> Told:
    return f"at most {context['offered']} accelerators more", f"{context['ordered']} are ordered", ""


def _listed(field: str, needed: str) -> Callable[[Context], Told]:
    def tell(context: Context) -> Told:
        return needed, "; ".join(_names(context[field])), ""

    return tell


def _keys(context: Context) -> Told:
    models = {rank: model.value if model is not None else "nobody says" for model, rank in KEY_RANKS.items()}
    needed, found = models[_number(context, "keyNeeded")], models[_number(context, "keyFound")]
    return (
        f"keys `{needed}` or better for this data",
        f"`{found}`",
        f"choose a cluster whose keys are `{needed}` or better",
    )


def _certificates(context: Context) -> Told:
    missing = ", ".join(_names(context["uncertified"]))
    return f"a certificate in force: {missing}", "none of these in the signed facts", ""


def _cost(context: Context) -> Told:
    found = f"{context['cost']} micro-USD an hour" if "cost" in context else "no price in force for these devices"
    return f"at most {context['costCeiling']} micro-USD an hour", found, ""


def _quota(context: Context) -> Told:
    parts = (("devices", "devicesMost", "devicesAfter"), ("W", "wattsMost", "wattsAfter"))
    over = [
        (u, context[m], context[a]) for u, m, a in parts if m in context and _number(context, a) > _number(context, m)
    ]
    scope = f" {context['scope']}" if context["scope"] else ""
    return (
        "; ".join(f"at most {m} {u}{scope}" for u, m, _ in over),
        "; ".join(f"{a} {u} after the change{reserved(context)}" for u, _, a in over),
        "",
    )


def _lapsed(context: Context) -> Told:
    return "a transfer instrument in force", f"ended: {', '.join(_names(context['lapsed']))}", ""


def _deputy(context: Context) -> Told:
    mandate = cast(Context, context["mandate"])
    roles, gone = ", ".join(_names(mandate["roles"])) or "no role", ", ".join(_names(mandate["outgrown"]))
    found = f"{', '.join(_names(mandate['persons']))} holds {roles}"
    return "", found + (f" and no longer speaks for {gone}" if gone else ""), ""


def _foreign(sort: str) -> Callable[[Context], Told]:
    def tell(context: Context) -> Told:
        found = ", ".join(_names(cast(Context, context["foreign"])[sort]))
        return f"only what signed facts let {context['tenant']} be attached to", f"attached to {found}", ""

    return tell


def _company(field: str, needed: str, found: str) -> Callable[[Context], Told]:
    def tell(context: Context) -> Told:
        count = context["strayed" if field == "together" else "crowded"]
        return needed.format(context[field]), found.format(count, context[field]), ""

    return tell


def _told(context: Context) -> Told:
    others = sorted({*_names(context["told"])} - {*_names(cast(Context, context["who"])["actsFor"])})
    return "evidence of the tenants alone that it is for", f"it tells of {', '.join(others)}", ""


def _names(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _number(context: Context, name: str) -> int:
    value = context[name]
    assert isinstance(value, int), name
    return value


_TELLS: Final[Mapping[str, Callable[[Context], Told]]] = {
    "reservation-kept": _kept,
    "reservation-kept-by-layout": lambda context: ("devices that nobody has reserved", _by(context), ""),
    "tenant-devices": _running,
    "reservation-term": _term,
    "machines-size": _machines,
    "machines-cost": _cost,
    "machines-offered": _offered,
    "machines-idle": _listed("used", "nodes that are cordoned, empty and not reserved"),
    "blast-nodes": _blast("nodes", "nodes", "nodes"),
    "blast-workloads": _blast("workloads", "workloads", "workloads"),
    "blast-objects": _blast("objects", "objects", "objects"),
    "blast-replicas": _blast("running replicas disturbed", "replicas", "disruptedReplicas"),
    "breaker-rack": _fenced,
    "breaker-site": _fenced,
    "breaker-group": _fenced,
    "breaker-rate": _rate,
    "breaker-at-once": _at_once,
    "rack-cooling": _watts("wattsCooled", "of heat that leaves the rack"),
    "supply-power": _watts("wattsMost", "that it carries"),
    "supply-cooling": _watts("wattsMost", "of heat that it carries away"),
    "change-window": _listed("windowsShut", "an open window over every site and tenant concerned"),
    "change-closure": _listed("closures", "no closure over the sites and tenants concerned"),
    "key-model": _keys,
    "certified": _certificates,
    "contract-cost": _cost,
    "contract-together": _company("together", "all replicas in one {}", "{} of them outside of it after the change"),
    "contract-spread": _company("spread", "no two replicas in one {}", "{} of them share a {} after the change"),
    "tenant-quota": _quota,
    "deputy-permitted": _deputy,
    "tenant-evidence-of-proposal": _told,
    "transfer-in-force": _lapsed,
    "tenant-storage": _foreign("storage"),
    "tenant-network": _foreign("networks"),
    "tenant-network-of-object": _foreign("networks"),
}
