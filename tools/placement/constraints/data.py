"""Data: whether datasets and weights lie near, or would be there soon and cheap enough."""

from __future__ import annotations

from estate.verdicts import Dimension
from tools.placement import deliveries
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks, Reach
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.wishes import FAR, Wish

REACH = Reach.KIND


def standing(wish: Wish) -> Masks:
    """Where bringing its data would take too long, or cost too much."""
    soon, cheap = wish.contract.ready_within, wish.contract.data_cost_ceiling
    if not wish.workload.datasets or (soon is None and cheap is None):
        return {}
    late = deliveries.seconds(wish) > (FAR if soon is None else soon)
    return {Constraint.DATA: late | (deliveries.micro_usd(wish) > (FAR if cheap is None else cheap))}


def _words(by: Refused) -> Words:
    wish, contract = by.wish, by.wish.contract
    limits = [
        f"within {contract.ready_within} s" if contract.ready_within is not None else "",
        f"for {contract.data_cost_ceiling} micro-dollars" if contract.data_cost_ceiling is not None else "",
    ]
    soonest, cheapest = (int(f(wish)[by.refused].min()) for f in (deliveries.seconds, deliveries.micro_usd))
    found = f"{_or_nobody(soonest, 's')}, {_or_nobody(cheapest, 'micro-dollars')}"
    return f"its data there {' and '.join(filter(None, limits))}", f"at best {found}", "copy its data nearer first"


def _or_nobody(value: int, unit: str) -> str:
    return f"nobody knows how many {unit}" if value >= FAR else f"{value} {unit}"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    over: dict[str, object] = {}
    says = []
    for name, figure, unit in (
        ("ready_within", deliveries.seconds, "seconds"),
        ("data_cost_ceiling", deliveries.micro_usd, "micro-dollars"),
    ):
        limit, needed = getattr(wish.contract, name), int(figure(wish)[attempt.rows].max(initial=0))
        if limit is not None and needed > limit:
            over[name] = None if needed >= FAR else needed
            says.append(f"{needed} {unit}" if needed < FAR else f"any number of {unit}, since nobody can tell")
    return Easing(over, f"accept that bringing its data takes {' and '.join(says)}")


def _missing(wish: Wish) -> Ints:
    return deliveries.seconds(wish)


RULES = (
    promise(
        Constraint.DATA,
        _words,
        _eased,
        "your data there in time, within its cost",
        Dimension.CONTRACT,
        _missing,
    ),
)
