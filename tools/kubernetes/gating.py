"""Scheduling gates: which hold a pod back from the scheduler, and whether one of them is Placet's. Pure.

A tenant (or an admission policy) writes Placet's gate into a pod template. Its pods then wait, unseen by the scheduler,
until Placet has placed them: the source tells of them as pending replicas, the executor takes the gate away.
"""

from __future__ import annotations

from policies.admission.annotations import GATE
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw


def gates(spec: Raw) -> tuple[str, ...]:
    """The names of the gates in a pod spec, in order. Raises BadInput."""
    found = fields.sequence(spec.get("schedulingGates"), "spec.schedulingGates")
    return tuple(fields.text(fields.mapping(g, "spec.schedulingGates[]").get("name"), "name") for g in found)


def gated(spec: Raw) -> bool:
    """Whether Placet's gate is among them."""
    return GATE in gates(spec)


def held_by_others(spec: Raw) -> tuple[str, ...]:
    """The gates that are not Placet's to take away."""
    return tuple(g for g in gates(spec) if g != GATE)
