"""Failures in words: needed against found, and a remedy that was computed, not guessed. Pure; called by `deciding`.

What a rule says of itself stands in its annotations; this adds what only the read set knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from estate.conditions import Condition, told
from estate.effects import Step
from estate.identities import Role
from estate.ids import WorkloadId
from estate.verdicts import Dimension, Failure
from policies import sovereignty, telling
from policies.asks import Ask, Context
from policies.bundle import Rule
from policies.makers import FOR
from policies.playing import Play


def failure(rule: Rule, ask: Ask, play: Play) -> Failure:
    """One failed dimension, as the person who planned it needs to read it."""
    needed, found, remedy = _told(rule, ask, play)
    return Failure(
        dimension=rule.dimension,
        policy=rule.id,
        about=ask.about,
        needed=needed or rule.needed or rule.reason,
        found=found,
        remedy=remedy or rule.remedy,
        reason=rule.reason,
        tenant=ask.tenant,
        obligation=rule.obligation,
    )


def _told(rule: Rule, ask: Ask, play: Play) -> tuple[str, str, str]:
    if (known := telling.told(rule.id, ask)) is not None:
        return known
    match rule.dimension, ask.action:
        case ((Dimension.GEOGRAPHIC | Dimension.LEGAL | Dimension.OPERATIONAL | Dimension.KEY), _) if (
            ask.kind in _PLACED
        ):
            return _sovereignty(rule.dimension, ask, play)
        case _ if rule.id in _SYSTEM:
            return "a namespace that signed facts give a tenant", f"{ask.id} is the cluster's own", ""
        case Dimension.MODEL_REACH, _:
            return _reach(rule, ask.context)
        case _, "Execute" if rule.id in _MANDATES:
            return _mandate(rule, ask.context)
        case Dimension.POWER, "AffectRack":
            return _power(ask.context)
        case Dimension.TENANT, _ if rule.id == "tenant-isolation":
            return _isolation(ask.context)
        case Dimension.TENANT, _ if rule.id == "tenant-data":
            names = ", ".join(_list(ask.context["ungranted"]))
            return f"a grant of {names} to {ask.tenant}, in force", "no such grant in the signed facts", ""
        case Dimension.TENANT, _:
            return _eviction(ask.context)
        case Dimension.FACTS, "Execute":
            return _plan(rule, ask, play)
        case Dimension.FACTS, _:
            return "signed facts for every name", _missing(ask.context), ""
        case _:
            return "", _level(rule, ask.context), ""


_SYSTEM = frozenset({"system-namespace", "system-namespace-for-copies"})
_PLACED = frozenset({"Workload", "Object", "Reservation", "MachineGroup"})
_MANDATES = frozenset({"mandate-person", "mandate-tenants", "mandate-changes"})


def _reach(rule: Rule, context: Context) -> tuple[str, str, str]:
    mind = cast(Context, context["mind"])
    if rule.id == "mind-registered":
        return "a registration of each in the signed facts", f"none of {', '.join(_list(mind['unregistered']))}", ""
    if rule.id in _MAKERS:
        return _made(rule, mind)
    beyond = ", ".join(_list(mind["beyond"]))
    return f"a model that may see what is of {beyond}", "its registration does not name them", ""


_MAKERS = frozenset({"component-content", "component-in-force", "component-reach"})


def _made(rule: Rule, mind: Context) -> tuple[str, str, str]:
    """Who made it, against their registrations."""
    if rule.id == "component-in-force":
        return "a registration in force of each", f"ended: {', '.join(_list(mind['lapsed']))}", ""
    told = [t.partition(FOR) for t in _list(mind["altered" if rule.id == "component-content" else "outside"])]
    if rule.id == "component-content":
        needed, found = ([f"{t[0].split()[0]} {t[2]}" for t in told], [t[0] for t in told])
        return f"as registered: {', '.join(needed)}", f"runs: {', '.join(found)}", ""
    pairs = ", ".join(f"{who} for {what}" for who, _, what in told)
    return "registrations that name these tenants and these classes of data", f"none of {pairs}", ""


def _mandate(rule: Rule, context: Context) -> tuple[str, str, str]:
    mandate, who = cast(Context, context["mandate"]), cast(Context, context["who"])
    if rule.id == "mandate-changes":
        return "the changes exactly as the person wrote them", "other changes", ""
    pairs = {
        "mandate-person": (mandate["persons"], mandate["claimed"]),
        "mandate-tenants": (mandate["tenants"], who["actsFor"]),
    }
    needed, claimed = (", ".join(_list(v)) or "nobody" for v in pairs[rule.id])
    return f"{needed}, by the signed command in the ledger", f"it claims {claimed}", ""


def _sovereignty(dimension: Dimension, ask: Ask, play: Play) -> tuple[str, str, str]:
    axis = cast(Context, ask.context[dimension.value])
    allowed, found, unknown = (_list(axis[k]) for k in ("allowed", "found", "unknown"))
    return (*reach_told(allowed, found, unknown), _lawful(ask, play))


def reach_told(allowed: Iterable[str], found: Iterable[str], unknown: Iterable[str]) -> tuple[str, str]:
    """One axis of sovereignty in words: needed, and found."""
    limit, reached, gaps = sorted(allowed), sorted(found), sorted(unknown)
    outside = [c for c in reached if c not in limit]
    told = f"reaches {', '.join(outside or reached) or 'nobody knows where'}"
    if gaps:
        told += f"; unknown: {', '.join(gaps)}"
    return f"only {', '.join(limit) or 'nothing (no limit is stated)'}", told


def _lawful(ask: Ask, play: Play) -> str:
    """The clusters that would hold on all three axes, with their sites."""
    name = WorkloadId(ask.id if ask.kind == "Workload" else "")
    workload = play.base.workload(name) or play.after.workload(name)
    if workload is None:
        return ""
    facts = play.base.facts
    lawful = [
        f"{c.id} ({c.site})"
        for c in sorted(facts.clusters, key=lambda c: c.id)
        if all(a.holds for a in sovereignty.exposure(facts, workload, c.id))
    ]
    return f"lawful for it: {', '.join(lawful)}" if lawful else "no cluster in the facts is lawful for it"


def _power(context: Context) -> tuple[str, str, str]:
    before, after, budget = (_count(context[k]) for k in ("wattsBefore", "wattsAfter", "wattsBudget"))
    free = budget - before
    needed = f"{after - before} W more within a budget of {budget} W"
    kept = telling.reserved(context)
    found = f"{before} W drawn already (what is in flight included{kept}), {max(free, 0)} W free;"
    found += f" {after} W after the change"
    return needed, found, f"plan for at most {max(free, 0)} W here, choose another rack, or cap or move work first"


def _isolation(context: Context) -> tuple[str, str, str]:
    beside = cast(Context, context["beside"])
    near = {k: _list(beside[k]) for k in ("onNode", "inRack", "inCluster", "apart")}
    places = {
        "onNode": "on the node",
        "inRack": "in the rack",
        "inCluster": "in the cluster",
        "apart": "to be kept off",
    }
    told = "; ".join(f"{places[k]}: {', '.join(v)}" for k, v in near.items() if v)
    return f"isolation `{beside['isolation']}`, and what its neighbours were promised", told or "unknown", ""


def _eviction(context: Context) -> tuple[str, str, str]:
    acting = _list(cast(Context, context["who"])["actsFor"])
    owners = [str(context["tenant"])] if "tenant" in context else _list(context["tenants"])
    return f"only what belongs to {', '.join(acting)}", f"belongs to {', '.join(owners) or 'the house'}", ""


def _plan(rule: Rule, ask: Ask, play: Play) -> tuple[str, str, str]:
    if rule.id == "law-in-force":
        return "rules that are signed and in force", "not signed, taken back, or past their time", ""
    if rule.id == "facts-by-another":
        return "facts by somebody else than whoever proposes", f"facts by {play.base.facts.author}", ""
    if rule.id != "plan-current":
        return (
            f"facts that are in force (version {play.base.facts.version})",
            (f"expired at {play.base.facts.valid_until.isoformat()}"),
            "",
        )
    return "steps exactly as the newest snapshot gives them", "; ".join(differences(play)) or "another plan", ""


def differences(play: Play) -> list[str]:
    """What changed since the plan was made, step by step."""
    told = [d for asked, laid in zip(play.asked, play.steps, strict=False) for d in _step(asked, laid)]
    if play.refusal is not None:
        number = play.asked[len(play.steps)].number
        told.append(f"step {number} has no effect now: {play.refusal.message} ({play.refusal.code.value})")
    return told


def _step(asked: Step, laid: Step) -> list[str]:
    told = [_read(a, b) for a, b in zip(asked.preconditions, laid.preconditions, strict=False) if a != b]
    if asked != laid and not told:
        parts = [f for f in ("number", "preconditions", "postconditions", "inverse") if _part(asked, f, laid)]
        told.append(f"its {' and '.join(parts)} differ")
    return [f"step {asked.number}: {t}" for t in told]


def _part(asked: Step, field: str, laid: Step) -> bool:
    return bool(getattr(asked, field) != getattr(laid, field))


def _read(asked: Condition, laid: Condition) -> str:
    if asked.uid != laid.uid:
        return f"{laid.about} was replaced (another uid)"
    return f"{laid.about} {laid.field.value} is {_value(laid)}, planned on {_value(asked)}"


def _value(condition: Condition) -> str:
    text, value = told(condition, condition.equals), condition.equals
    return f"[{', '.join(value)}]" if isinstance(value, tuple) and text == str(value) else f"`{text}`"


def _missing(context: Context) -> str:
    return f"missing: {', '.join(_list(context['missing']))}"


def _level(rule: Rule, context: Context) -> str:
    match rule.dimension:
        case Dimension.CONTRACT if "minAvailable" in context:
            return f"{context['lowest']} running at the lowest, {context['minAvailable']} promised"
        case Dimension.CONTRACT:
            return "the node or one of its accelerators is not healthy"
        case Dimension.FREEZE:
            return f"frozen (site/tenant): {', '.join(_list(context['freezes']))}"
        case Dimension.APPROVAL:
            return _approvals(rule, context)
        case _:
            return "no"


def _approvals(rule: Rule, context: Context) -> str:
    if rule.requires is not None:
        given = context["operatorApprovals" if rule.requires is Role.OPERATOR else "ownerApprovals"]
        return f"{given} of {context[rule.counted_in] if rule.counted_in else rule.count} given"
    people = cast(Context, context["people"])
    told = _list(context.get("deniers", [])) or _list(people["approvers"])
    return ", ".join(told)


def _list(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _count(value: object) -> int:
    assert isinstance(value, int)
    return value


def own_part(failure: Failure) -> Failure:
    """A failure as the tenant whom it concerns may read it: it does not say who the neighbours are."""
    told = _UNNAMED.get(failure.policy)
    return failure if told is None else failure.model_copy(update={"found": told})


_UNNAMED = {
    "tenant-isolation": "another tenant would be closer than that",
    "tenant-evidence-of-proposal": "it tells of somebody else",
    "tenant-network": "it would be joined to a network that is not its own",
    "reservation-kept": "reserved by somebody",
    "reservation-kept-by-layout": "reserved by somebody",
}
"""What a rule found, without saying whose it is."""


def once(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Each (dimension, policy, thing) once, in the order of the closed set of dimensions."""
    order = {d: n for n, d in enumerate(Dimension)}
    unique: dict[tuple[str, str, str], Failure] = {}
    for found in failures:
        unique.setdefault((found.dimension, found.policy, found.about), found)
    return tuple(sorted(unique.values(), key=lambda f: (order[f.dimension], f.about, f.policy)))
