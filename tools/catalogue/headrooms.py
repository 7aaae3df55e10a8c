"""A tool about headroom: what a rack, a feed, a site or a tenant has left of power, cooling, devices, bandwidth."""

from __future__ import annotations

from pydantic import Field

from tools.catalogue.things import ThingQuestion, thing
from tools.catalogue.tools import Answer, Desk, Tool
from tools.views import headrooms
from tools.views.headrooms import Good, Margin
from tools.views.selecting import MOST_ITEMS, page


class HeadroomQuestion(ThingQuestion):
    """Of which thing, and of which goods; none named means all."""

    goods: tuple[Good, ...] = Field(default=(), max_length=len(Good))
    start: int = Field(default=0, ge=0)


class HeadroomAnswer(Answer):
    """Every limit that bounds it, each with what it rests on. The narrowest one holds."""

    margins: tuple[Margin, ...]
    next: int | None


def headroom(desk: Desk, question: HeadroomQuestion) -> HeadroomAnswer:
    """The limits of one thing."""
    found = headrooms.margins(desk.keeper.of(desk.snapshot), thing(desk.snapshot, question).ref, desk.now)
    wanted = (m for m in found if not question.goods or m.good in question.goods)
    shown, following = page(wanted, question.start, MOST_ITEMS)
    return HeadroomAnswer(snapshot=desk.snapshot.version, margins=tuple(shown), next=following)


HEADROOM = Tool(
    "headroom",
    "What is left of power, cooling, accelerators and bandwidth at a rack, feed, PDU, UPS, CDU, loop, switch, link,"
    " site or tenant: each limit with its use and its basis, and whether what is drawn was"
    " measured lately or is stated. Null: nobody knows it.",
    HeadroomQuestion,
    HeadroomAnswer,
    headroom,
)
