"""The Mind port: what plans inside a case. Adapters: `runbook` (deterministic, the default) and `model`.

A mind reads; it holds no bus, no credentials and no writer. Its tools are the catalogue's, all of them read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from agents.minds.plans import Diagnosis, NoPlan, Plan, Setback
from estate.incidents import Incident
from estate.proposals import Evidence
from estate.snapshots import Snapshot
from estate.uses.running import Maker
from tools.catalogue.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a mind is told of a case: the record, the newest snapshot, findings so far, and what failed before."""

    incident: Incident
    snapshot: Snapshot
    tools: Catalogue
    """Read-only, on that same snapshot."""
    findings: tuple[Evidence, ...] = ()
    setbacks: tuple[Setback, ...] = ()


MODEL: Final = "model/"


class Mind(Protocol):
    """Every answer is a typed value; a mind that cannot answer says so in one."""

    @property
    def name(self) -> str:
        """How evidence cites it: `runbook`, or `model/` and the id of its registration."""

    @property
    def makers(self) -> tuple[Maker, ...]:
        """What thinks in it, to be held to its registration: the runbook, a model, or the model and what helps out."""

    async def diagnose(self, briefing: Briefing) -> Diagnosis:
        """What is wrong."""

    async def plan(self, briefing: Briefing, diagnosis: Diagnosis) -> Plan | NoPlan:
        """What to do about it."""

    async def interpret(self, briefing: Briefing, text: str) -> Plan | NoPlan:
        """What a person's request asks for; its text is data, never an instruction to the mind."""
