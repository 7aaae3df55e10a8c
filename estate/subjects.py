"""Every NATS subject of Placet, in one module: `placet.v1.<installation>.<plane>.<channel or site>.<kind>`.

Final from the first commit. Permissions of each process are derived from these in `tools.bus.accounts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.ids import ChannelId, ClusterId, ExecutorId, IncidentId, InstallationId, SiteId
from estate.notices import Occasion
from estate.observations import EventType
from estate.outcomes import Ending
from estate.proposals import Lane
from estate.verdicts import Decision

ROOT = "placet.v1"
DEVICE_FORMATS = frozenset({"kernel", "nvsentinel"})
"""Formats in which devices' own watchers speak. Their bodies have a plane, and so a stream, of their own: a fence hangs
on them, and a burst of alerts must not go before it."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects of one installation."""

    installation: InstallationId

    @property
    def root(self) -> str:
        """`placet.v1.<installation>`."""
        return f"{ROOT}.{self.installation}"

    def intake(self, channel: ChannelId | str, format: str) -> str:
        """Raw bodies: one subject per authenticated channel and payload format."""
        plane = "intake-device" if format in DEVICE_FORMATS else "intake"
        return f"{self.root}.{plane}.{channel}.{format}"

    def intakes(self, channel: ChannelId | str) -> tuple[str, str]:
        """Every raw body of a channel (`*`: of all), as two patterns: devices' own first."""
        return f"{self.root}.intake-device.{channel}.*", f"{self.root}.intake.{channel}.*"

    def intake_of(self, subject: str) -> tuple[ChannelId, str] | None:
        """Channel and format of a raw body's subject; None when it is another subject."""
        plane, _, rest = subject.removeprefix(f"{self.root}.").partition(".")
        tokens = rest.split(".")
        known = subject.startswith(f"{self.root}.") and plane in {"intake", "intake-device"} and len(tokens) == 2
        return (ChannelId(tokens[0]), tokens[1]) if known else None

    def event(self, lane: Lane | str, site: SiteId | str, type: EventType | str) -> str:
        """Parsed events per site, a plane for each lane: those that call for a fence go before all others."""
        return f"{self.root}.event-{_token(lane)}.{site}.{_token(type)}"

    def events(self) -> tuple[str, ...]:
        """Every parsed event, as a pattern for each lane."""
        return tuple(self.event(lane, "*", "*") for lane in Lane)

    def case(self, site: SiteId | str, wake: str) -> str:
        """Wake-ups of cases: `opened`, `joined`."""
        return f"{self.root}.case.{site}.{wake}"

    def proposal(self, lane: Lane | str, site: SiteId | str, agent: str) -> str:
        """Proposals to the gate, a plane for each lane. Each agent's user may publish under its own name only, so that
        nobody proposes in another's (`*`: of all, as a pattern).
        """
        kind = agent if agent == "*" else f"submitted-{agent}"
        return f"{self.root}.proposal-{_token(lane)}.{site}.{kind}"

    def verdict(self, site: SiteId | str, decision: Decision | str) -> str:
        """Verdicts; only the gate's user may publish them."""
        return f"{self.root}.verdict.{site}.{_token(decision)}"

    def approval(self, site: SiteId | str) -> str:
        """Signed approvals to the gate; only the console's user may publish them."""
        return f"{self.root}.approval.{site}.given"

    def warrant(self, lane: Lane | str, audience: ExecutorId | str, cluster: ClusterId | None = None) -> str:
        """Signed warrants to one executor, a plane for each lane; only the gate's user may publish them.

        Those to an executor of several clusters that are about one of them name it, so that it has hands of its own.
        """
        about = f"issued-{cluster}" if cluster is not None else "issued"
        return f"{self.root}.warrant-{_token(lane)}.{audience}.{about}"

    def warrants(self, lane: Lane) -> str:
        """Every warrant of a lane, as a pattern."""
        return f"{self.root}.warrant-{_token(lane)}.*.*"

    def outcome(self, site: SiteId | str, ending: Ending | str) -> str:
        """Outcomes; only an executor's user may publish them."""
        return f"{self.root}.outcome.{site}.{_token(ending)}"

    def notice(self, site: SiteId | str, occasion: Occasion | str) -> str:
        """What people are told of a change; only an executor's user may publish it."""
        return f"{self.root}.notice.{site}.{_token(occasion)}"

    def delta(self) -> str:
        """The delta stream of the one inventory writer."""
        return f"{self.root}.inventory.all.delta"

    def telemetry(self) -> str:
        """What the inventory writer's sources measure; old messages are forgotten, none is a source of truth."""
        return f"{self.root}.inventory.all.telemetry"

    def control(self, kind: str) -> str:
        """Signed freezes, modes and enrolments (`freeze`, `mode`, `enrolment`); only the console publishes them."""
        return f"{self.root}.control.all.{kind}"

    def command(self, verb: str) -> str:
        """The front door: signed commands and queries, request/reply."""
        return f"{self.root}.door.all.{verb}"

    def progress(self, incident: IncidentId | str) -> str:
        """What a case is doing, for people who watch; at most once, never a source of truth."""
        return f"{self.root}.progress.all.{incident}"

    def dead_letter(self, stream: str, consumer: str, channel: ChannelId | str | None = None) -> str:
        """Messages that could not be handled, with the reason in their headers; raw bodies under their channel."""
        sender = f".{channel}" if channel is not None else ""
        return f"{self.root}.dead.{stream.lower()}.{consumer}{sender}"


def _token(value: object) -> str:
    return str(getattr(value, "value", value)).replace(".", "-")
