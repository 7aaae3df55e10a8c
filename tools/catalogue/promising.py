"""Tools about promises: why work waits, what could be had, what if, what outlives a loss, what the fleet is worth.

All of them compute on the snapshot and reserve nothing. Answers are cut to what a model can read, the worst first.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from estate.ids import SiteId, WorkloadId
from estate.records import Model
from tools.catalogue.tools import Answer, Desk, Tool
from tools.placement.assurance import reports
from tools.placement.assurance.domains import Word
from tools.placement.assurance.reports import Unassured
from tools.placement.fleets import accounts
from tools.placement.fleets.accounts import FleetReport
from tools.placement.offering import explaining, offers
from tools.placement.offering.answers import Offer
from tools.placement.offering.explaining import Explanation
from tools.placement.offering.requests import Request
from tools.placement.offering.reservations import Window
from tools.placement.supposing import settling
from tools.placement.supposing.outcomes import Outcome
from tools.placement.supposing.suppositions import Supposition

_MOST = 24
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
"""Where nobody tells the time, nothing has ended."""


class PendingQuestion(Model):
    """Which workload waits; only these sites, or any."""

    workload: WorkloadId
    sites: tuple[SiteId, ...] = Field(default=(), max_length=64)


class PendingAnswer(Answer):
    """What refuses it, and what would let it in."""

    explanation: Explanation


class OfferQuestion(Model):
    """What somebody asks for."""

    request: Request
    window: Window | None = None
    """From when to when it is to be reserved; null: not at all."""


class OfferAnswer(Answer):
    """What can be promised."""

    offer: Offer


class WhatIfQuestion(Model):
    """What is supposed, in this order."""

    supposed: tuple[Supposition, ...] = Field(min_length=1, max_length=64)


class WhatIfAnswer(Answer):
    """What would be otherwise; of each sort at most two dozen, and how many there are in all."""

    outcome: Outcome
    homeless: int
    moved: int


class AssuranceQuestion(Model):
    """Of what one is lost; none named: everything."""

    losses: tuple[Word, ...] = ()


class AssuranceAnswer(Answer):
    """How much is assured, and two dozen workloads that are not."""

    promised: int
    assured: int
    without: tuple[Unassured, ...]


class FleetQuestion(Model):
    """Of one site, or of all; with what scarce things are worth, which takes longer."""

    site: SiteId | None = None
    worth: bool = False


class FleetAnswer(Answer):
    """The report, with the two dozen racks that strand most."""

    report: FleetReport


def explain_pending(desk: Desk, question: PendingQuestion) -> PendingAnswer:
    """Why a workload waits."""
    found = explaining.pending(desk.engine, desk.snapshot, question.workload, question.sites, desk.now)
    return PendingAnswer(snapshot=desk.snapshot.version, explanation=found)


def offer(desk: Desk, question: OfferQuestion) -> OfferAnswer:
    """What can be promised."""
    now = desk.now or _LONG_AGO
    found = offers.offer(desk.engine, desk.assured, desk.snapshot, question.request, now, question.window)
    return OfferAnswer(snapshot=desk.snapshot.version, offer=found)


def what_if(desk: Desk, question: WhatIfQuestion) -> WhatIfAnswer:
    """What would be otherwise."""
    found = settling.suppose(desk.snapshot, question.supposed, desk.engine, desk.now or _LONG_AGO)
    cut = {"homeless": found.homeless[:_MOST], "moved": found.moved[:_MOST], "unlawful": found.unlawful[:_MOST]}
    return WhatIfAnswer(
        snapshot=desk.snapshot.version,
        outcome=found.model_copy(update=cut),
        homeless=len(found.homeless),
        moved=len(found.moved),
    )


def assurance(desk: Desk, question: AssuranceQuestion) -> AssuranceAnswer:
    """What outlives each single loss."""
    found = reports.report(desk.assured, desk.snapshot, desk.now)
    without = found.without
    if question.losses:
        kept = (u.model_copy(update={"gaps": tuple(g for g in u.gaps if _of(g.lost, question))}) for u in without)
        without = tuple(u for u in kept if u.gaps)
    return AssuranceAnswer(
        snapshot=desk.snapshot.version,
        promised=found.promised,
        assured=found.promised - len(without),
        without=without[:_MOST],
    )


def _of(lost: str, question: AssuranceQuestion) -> bool:
    return lost.partition("/")[0] in question.losses


def fleet_report(desk: Desk, question: FleetQuestion) -> FleetAnswer:
    """What becomes of every accelerator."""
    found = accounts.report(desk.engine, desk.snapshot, question.site, desk.now, with_worth=question.worth)
    cut: dict[str, object] = {"racks": found.racks[:_MOST], "reservations": found.reservations[:_MOST]}
    if found.worth is not None:
        cut["worth"] = found.worth.model_copy(update={"goods": found.worth.goods[:_MOST]})
    return FleetAnswer(snapshot=desk.snapshot.version, report=found.model_copy(update=cut))


EXPLAIN_PENDING = Tool(
    "explain_pending",
    "Why replicas of a workload wait: per constraint how many nodes it refuses, needed against found, and every single"
    " change that would let them in, computed by making it and placing again.",
    PendingQuestion,
    PendingAnswer,
    explain_pending,
)
OFFER = Tool(
    "offer",
    "What could be promised to a tenant who asks for accelerators: guaranteed (with a second home after any loss that"
    " it names), best effort, a counter-offer (with the time from which there is room), or refused with reasons. With a"
    " `window` it also gives the change that would reserve it; that is for you to propose, nothing is reserved yet.",
    OfferQuestion,
    OfferAnswer,
    offer,
)
WHAT_IF = Tool(
    "what_if",
    "Suppose on a copy of the estate: lose a node, rack, leaf, feed, site or provider; add nodes; set a quota, budget,"
    " cap or other facts; move or grow a workload. What would be unlawful, unpowered, homeless, and what would move.",
    WhatIfQuestion,
    WhatIfAnswer,
    what_if,
)
ASSURANCE = Tool(
    "assurance",
    "Whether all promised work has a lawful, powered second home after each single loss of a node, rack, leaf, feed,"
    " site or provider, and which has none.",
    AssuranceQuestion,
    AssuranceAnswer,
    assurance,
)
FLEET_REPORT = Tool(
    "fleet_report",
    "What becomes of every accelerator (each booked to one cause), what is stranded in which rack and what binds there,"
    " how replicas of 1, 2, 4 and 8 would still fit, and if asked what one more unit of each scarce thing is worth.",
    FleetQuestion,
    FleetAnswer,
    fleet_report,
)
