"""The devices that a decision chose, as an expression that a ResourceClaim selects by."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from tools.execution.kubernetes import allotting
from tools.execution.kubernetes.writing import Found
from tools.kubernetes.slices import Device


@dataclass(frozen=True, slots=True)
class Chosen:
    """CEL that holds for these devices, and for whatever another driver offers."""

    expression: str


async def chosen(node: Found, indexes: tuple[int, ...]) -> Chosen | None:
    """The devices of these indexes on a node; None where none are offered by name, or one has no attribute that
    tells it from others.
    """
    if not indexes:
        return None
    boards = await allotting.boards(node.connection, node.address.name)
    named = [boards[i].device for i in indexes if i < len(boards)]
    if len(named) < len(indexes) or not all(d.uuid or d.index is not None for d in named):
        return None
    return Chosen(_expression(named))


def _expression(devices: list[Device]) -> str:
    """One clause for each driver and attribute; what no driver among them offers is left alone."""
    by: defaultdict[tuple[str, str], list[str | int]] = defaultdict(list)
    for device in devices:
        by[device.name.driver, "uuid" if device.uuid else "index"].append(device.uuid or int(device.index or 0))
    drivers = sorted({driver for driver, _ in by})
    others = " && ".join(f"device.driver != {json.dumps(d)}" for d in drivers)
    clauses = [_clause(driver, attribute, values) for (driver, attribute), values in sorted(by.items())]
    return " || ".join([f"({others})", *clauses])


def _clause(driver: str, attribute: str, values: list[str | int]) -> str:
    name, told = json.dumps(driver), f"device.attributes[{json.dumps(driver)}]"
    return f'(device.driver == {name} && "{attribute}" in {told} && {told}.{attribute} in {json.dumps(values)})'
