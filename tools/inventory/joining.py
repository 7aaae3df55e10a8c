"""What several say of one field to one value, where the first word is not simply the one that stands. Pure.

Called by `merging`. Whether something carries traffic is seen, not declared: the worst that anybody sees of it stands.
Ports of a machine are put together by their names, each field by field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from estate.machines import LinkState, Nic, worst


def differ(kept: object, other: object) -> bool:
    """Whether two words contradict each other."""
    if isinstance(kept, LinkState):
        return False
    if _are_ports(kept) or _are_ports(other):
        return False
    return kept != other


def joined(values: list[Any]) -> Any:
    """The value that at least one word makes."""
    first = values[0]
    if isinstance(first, LinkState):
        return worst(values)
    return _ports(values) if _are_ports(first) else first


def _are_ports(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Nic)


def _ports(said: Iterable[tuple[Nic, ...]]) -> tuple[Nic, ...]:
    """Every port once: of one name, one address, or one place at a switch."""
    found: list[Nic] = []
    for nics in said:
        for nic in nics:
            at = next((n for n, known in enumerate(found) if _same(known, nic)), None)
            if at is None:
                found.append(nic)
            else:
                found[at] = _port(found[at], nic)
    return tuple(found)


def _same(one: Nic, other: Nic) -> bool:
    addressed = one.address != "" and one.address == other.address
    plugged = one.switch != "" and one.port != "" and (one.switch, one.port) == (other.switch, other.port)
    return one.name == other.name or addressed or plugged


def _port(first: Nic, second: Nic) -> Nic:
    """The first's fields, and the second's where it says nothing; slower than it should be is degraded."""
    fields = type(first).model_fields
    silent = [n for n, f in fields.items() if not f.is_required() and getattr(first, n) == f.get_default()]
    slow = [LinkState.DEGRADED] if 0 < second.speed < first.speed else []
    told = {name: getattr(second, name) for name in silent}
    told |= {"state": worst([first.state, second.state, *slow]), "speed": first.speed or second.speed}
    return first.model_copy(update=told)
