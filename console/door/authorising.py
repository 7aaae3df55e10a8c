"""Who may give which command: a pure table from roles to verbs, and each person's own tenants.

It decides only what may be asked; whether a change may happen is the gate's business. An approval's weight is judged
by the gate too: here it is only checked that the person may speak at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from console.door.commands import Command, Set
from estate.errors import Denied
from estate.identities import Enrolment, Role

_EVERYBODY = frozenset(Role)
_RUNNERS = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})

MAY: Mapping[str, frozenset[Role]] = {
    "ask": frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.TENANT_OWNER, Role.REQUESTER}),
    "propose": frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.TENANT_OWNER, Role.REQUESTER}),
    "approve": frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.TENANT_OWNER}),
    "set:freeze": frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.TENANT_OWNER}),
    "set:mode": _RUNNERS,
    "set:enrolment": frozenset({Role.ADMINISTRATOR}),
    "set:exception": frozenset({Role.ADMINISTRATOR}),
    "set:glass": _RUNNERS | {Role.POLICY_AUTHOR},
    "set:ratification": frozenset({Role.ADMINISTRATOR, Role.POLICY_AUTHOR}),
    "get": _EVERYBODY,
    "describe": _EVERYBODY,
    "top": _EVERYBODY,
    "topology": _EVERYBODY,
    "coverage": _RUNNERS | {Role.POLICY_AUTHOR},
    "history": _EVERYBODY,
    "drift": _EVERYBODY,
    "law-report": _RUNNERS | {Role.POLICY_AUTHOR},
    "assurance": _EVERYBODY,
    "what-if": _RUNNERS | {Role.POLICY_AUTHOR},
    "why": _EVERYBODY,
    "place": _EVERYBODY,
    "offer": _EVERYBODY,
    "report": _RUNNERS | {Role.POLICY_AUTHOR},
    "plan": _RUNNERS,
    "pending": _EVERYBODY,
    "dead-letters": _RUNNERS,
    "replay": _RUNNERS,
    "drop": _RUNNERS,
    "ledger-export": frozenset({Role.ADMINISTRATOR, Role.POLICY_AUTHOR}),
    "ledger-show": frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.POLICY_AUTHOR}),
    "ledger-prove": frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.POLICY_AUTHOR}),
    "ledger-erase": frozenset({Role.ADMINISTRATOR}),
    "diagnose": _RUNNERS,
    "whoami": _EVERYBODY,
    "part": _EVERYBODY,
}

_SPEAKS_FOR_TENANTS = frozenset({"ask", "propose"})
"""Verbs whose changes are bounded by the caller's tenants: a mandate without any is the house's own, and unbounded."""


def sees_everything(caller: Enrolment) -> bool:
    """Whether the caller sees every tenant's things, or those of their own tenants only."""
    return not _RUNNERS.isdisjoint(caller.roles) or Role.POLICY_AUTHOR in caller.roles


def check(caller: Enrolment, command: Command) -> None:
    """Refuse what this person's roles do not allow.

    Raises:
        Denied: with the roles that would.
    """
    name = f"set:{command.control.value}" if isinstance(command, Set) else command.verb
    allowed = MAY[name]
    if allowed.isdisjoint(caller.roles):
        roles = ", ".join(sorted(r.value for r in allowed))
        held = ", ".join(r.value for r in caller.roles) or "no role"
        raise Denied(f"`{name}` needs one of: {roles}; `{caller.subject.name}` holds {held}")
    if name in _SPEAKS_FOR_TENANTS and not caller.tenants and _RUNNERS.isdisjoint(caller.roles):
        raise Denied(f"`{caller.subject.name}` speaks for no tenant; have an administrator enrol them for one")
