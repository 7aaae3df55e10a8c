"""`sovereignty.violated`, `isolation.violated`: what stands where tier 0 would not have let it, whoever put it there.

The rules are asked by `policies.watching` of what a delta touched; here is only how long it must last, and how it is
told: one event for one workload with every failed dimension, and one for all where the facts themselves have expired.
Of two who stand too close, the one who came is told of; where nobody came, the one who stands where the other was
promised to be alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar, Final

from estate.evidence import Quantity
from estate.hands import Hand
from estate.ids import PolicyId, WorkloadId
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model, Time, write_time
from estate.references import Ref, read_ref
from estate.units import Seconds
from estate.uses.running import Component
from estate.verdicts import Dimension, Failure
from estate.workloads import Workload
from policies import makers, reaches, watching
from policies.watching import Judgement
from tools.inventory import silences
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus

FACTS: Final = "facts/in-force"
"""The subject of what is the matter with all at once."""
REGISTERED: Final = PolicyId("mind-registered")
_ACTING: Final = ("component", "model-server")


class Unlawful(Model):
    """What is remembered of a workload that stood unlawfully when it was last judged."""

    by: Hand | None = None
    since: Time | None = None


class Lawfulness(Sensor[Unlawful]):
    """How long something must stand unlawfully to be told, and lawfully to be well."""

    tells: ClassVar[EventType] = EventType.SOVEREIGNTY_VIOLATED
    remembers: ClassVar[type[Model]] = Unlawful

    raise_after_seconds: Seconds = Seconds(5)
    """Longer than a source needs to tell of a pod and of its node, or to read namespaces under other facts."""
    clear_after_seconds: Seconds = Seconds(5)
    again_seconds: Seconds = Seconds(15)
    """What is unlawful is looked at again so often: a neighbour that left makes lawful who stays."""

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        if seen.law is None:
            return
        if seen.law.renewed:
            yield FACTS, None
            yield from ((str(i.ref), None) for kind in _ACTING for i in seen.after.stock.all(kind))
        yield from ((f"workload/{name}", None) for name in seen.law.touched)
        yield from ((str(ref), None) for ref in seen.change.items if ref.kind in _ACTING)

    def judge(
        self, subject: str, memory: Unlawful | None, stimuli: tuple[Stimulus, ...], seen: Seen
    ) -> Judged[Unlawful]:
        if seen.law is None:
            return Judged()
        if subject == FACTS:
            return self._in_force(seen)
        about = read_ref(subject)
        if about.kind in _ACTING:
            return self._registered(about, seen)
        name = WorkloadId(about.id)
        workload = seen.after.workload(name)
        if workload is None or silences.is_assumed(workload):
            return Judged()
        judgement = seen.law.judge(name, seen.after, seen.now)
        if not judgement.failures or _wronged(workload, judgement, memory, seen):
            return Judged(None, (self._condition(workload, (), None),), judgement.until)
        by = seen.hands.get(name) or (memory.by if memory is not None else None)
        again = seen.now + timedelta(seconds=self.again_seconds)
        condition = self._condition(workload, judgement.failures, by)
        due = min(again, judgement.until) if judgement.until is not None else again
        return Judged(Unlawful(by=by, since=seen.now), (condition,), due)

    def _condition(self, workload: Workload, failures: tuple[Failure, ...], by: Hand | None) -> Condition:
        isolation = {f.dimension for f in failures} == {Dimension.TENANT}
        return Condition(
            name="lawful",
            level=wrong(bool(failures)),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.CRITICAL,
            message=_told(workload, failures, by),
            code=f"law-{failures[0].policy}" if failures else "",
            whereabouts=places.of_workload(workload),
            values=(Quantity(name="replicas", value=len(workload.bindings), unit="1"),),
            window_seconds=self.raise_after_seconds,
            type=EventType.ISOLATION_VIOLATED if isolation else EventType.SOVEREIGNTY_VIOLATED,
            failures=failures[:32],
            by=by,
        )

    def _registered(self, about: Ref, seen: Seen) -> Judged[Unlawful]:
        """Whether what runs there is an agent, a model or a tool that signed facts register."""
        item = seen.after.stock.get(about)
        if item is None:
            return Judged()
        fault = reaches.unknown(seen.after.facts, item, seen.now)
        failure = Failure(
            dimension=Dimension.MODEL_REACH,
            policy=REGISTERED,
            about=str(about),
            needed="a registration in the signed facts: digest, owner, provenance, data classes",
            found=fault,
            remedy=f"have it registered (`{makers.REGISTER}` for what is installed here), or stop it",
            reason="every agent, model and tool that runs is registered by signed facts",
        )
        condition = Condition(
            name="registered",
            level=wrong(bool(fault)),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.CRITICAL,
            message=f"{about} is not registered: {fault}" if fault else f"{about} is registered",
            code=f"law-{REGISTERED}",
            whereabouts=places.whereabouts(seen.after, about),
            window_seconds=self.raise_after_seconds,
            failures=(failure,) if fault else (),
        )
        until = makers.ends(seen.after.facts, item, seen.now) if isinstance(item, Component) else None
        return Judged(None, (condition,), until)

    def _in_force(self, seen: Seen) -> Judged[Unlawful]:
        """Expired facts decide nothing: everything is unlawful then, which is told once and of nobody by name."""
        facts = seen.after.facts
        expired = facts.valid_until <= seen.now
        condition = Condition(
            name="in-force",
            level=wrong(expired),
            hold=Hold.seconds(0, 0),
            severity=Severity.CRITICAL,
            message=f"the facts (version {facts.version}) expired at {write_time(facts.valid_until)}: nothing that "
            "runs is lawful by facts-in-force; have them reviewed and signed again",
            code="law-facts-in-force",
            whereabouts=Whereabouts(site=facts.sites[0].id if facts.sites else ""),
            values=(Quantity(name="facts-version", value=facts.version, unit="1"),),
        )
        return Judged(None, (condition,), None if expired else facts.valid_until)


def _wronged(workload: Workload, judgement: Judgement, memory: Unlawful | None, seen: Seen) -> bool:
    """Whether it only has a neighbour that should not be there, did not come itself, and was not told of before."""
    if memory is not None or {f.policy for f in judgement.failures} != {"tenant-isolation"}:
        return False
    came = not seen.first and workload.id in seen.change.workloads
    return not came and not watching.intrudes(workload, seen.after)


def _told(workload: Workload, failures: tuple[Failure, ...], by: Hand | None) -> str:
    whose = f"workload/{workload.id} of {workload.tenant} in {workload.cluster}"
    if not failures:
        return f"{whose} stands lawfully"
    broken = "; ".join(f"{f.dimension.value} ({f.policy}): needs {f.needed}, {f.found}" for f in failures)
    hand = f"; by {by}" if by is not None else ""
    return f"{whose} stands unlawfully: {broken}{hand}"
