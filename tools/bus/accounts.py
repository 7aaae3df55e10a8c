"""NATS users and their permissions, generated from the subjects: what a process may not do, the server refuses.

Called by `console.bootstrap` for the embedded server, and by `placet init` to write them for a real one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """One NATS user. Empty `publish` and `subscribe` mean nothing, not everything; the bootstrap is `unrestricted`."""

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    answers: bool = False
    """Whether it may answer a request that it received."""
    unrestricted: bool = False


def users_block(users: Sequence[User]) -> str:
    """The `accounts` block of a server's configuration; empty (no authentication) without users."""
    if not users:
        return ""
    entries = ",\n".join(f"    {_entry(user)}" for user in users)
    return f"accounts {{\n  PLACET {{\n   jetstream: enabled\n   users: [\n{entries}\n   ]\n  }}\n}}\n"


def _entry(user: User) -> str:
    entry: dict[str, object] = {"user": user.name, "password": user.password}
    if not user.unrestricted:
        permissions: dict[str, object] = {
            "publish": {"allow": list(user.publish)} if user.publish else {"deny": [">"]},
            "subscribe": {"allow": list(user.subscribe)} if user.subscribe else {"deny": [">"]},
        }
        if user.answers:
            permissions["allow_responses"] = {"max": 1, "expires": "1m"}
        entry["permissions"] = permissions
    return json.dumps(entry)
