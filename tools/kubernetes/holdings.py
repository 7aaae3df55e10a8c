"""What an account holds in each namespace, by SelfSubjectRulesReview: a RoleBinding shows in no cluster-wide question.

Called by `reviewing`. One question a namespace, so it takes its time in a cluster of thousands, and tells how far it
is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.admission.grants import Access
from tools.kubernetes import asking, faults, resources
from tools.kubernetes.asking import Asks, Told

_RULES: Final = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_ASKING: Final = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
"""Groups in which creating something is only asking."""
_ALWAYS: Final = ("default", "kube-system")
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Holdings:
    """Every access that is more than looking."""

    everywhere: frozenset[Access]
    """In each namespace that was asked about."""
    somewhere: Mapping[Access, tuple[str, ...]]
    """In these namespaces only."""


async def holdings(asks: Asks, told: Told) -> Holdings:
    """Ask about every namespace; about two that are always there, where the account may not list them.

    Raises:
        RetryLater, NeverRetry, Denied: as the connection does.
    """
    spaces = await _namespaces(asks)

    async def one(space: str) -> frozenset[Access]:
        return await _held(asks, space)

    held = dict(zip(spaces, await asking.each(one, spaces, told), strict=True))
    everywhere = frozenset.intersection(*held.values())
    somewhere: dict[Access, list[str]] = defaultdict(list)
    for space, accesses in held.items():
        for access in accesses - everywhere:
            somewhere[access].append(space)
    return Holdings(everywhere, {a: tuple(spaces) for a, spaces in sorted(somewhere.items())})


async def _namespaces(asks: Asks) -> list[str]:
    found = set(_ALWAYS)
    query: dict[str, str | int | bool] = {"limit": _PAGE}
    try:
        while True:
            page = await asks.request("GET", resources.NAMESPACES.path(), query)
            found.update(str(asking.within(n, "metadata", "name")) for n in page.get("items") or ())
            if not (carry_on := str((page.get("metadata") or {}).get("continue") or "")):
                return sorted(found)
            query = {"limit": _PAGE, "continue": carry_on}
    except faults.Forbidden:
        return sorted(_ALWAYS)


async def _held(asks: Asks, space: str) -> frozenset[Access]:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": space}}
    rules = asking.within(await asks.request("POST", _RULES, None, body), "status", "resourceRules")
    listed = rules if isinstance(rules, list) else []
    held = {a for rule in listed if isinstance(rule, Mapping) for a in _ruled(rule)}
    return frozenset(a for a in held if _tells(a) and a.group not in _ASKING)


def _tells(access: Access) -> bool:
    """Whether it changes something, or shows what nobody of ours may see."""
    return access.writes or (access.group in ("", "*") and access.resource in ("secrets", "*"))


def _ruled(rule: Mapping[str, Any]) -> Iterator[Access]:
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule.get("verbs") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Access(str(verb), str(group), str(resource), str(name))
