"""Conditions of parts to the parts that are not well. Pure; called by `claims`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from estate import canonical
from estate.facilities.parts import Part
from estate.ids import PartId
from estate.itemkinds import State
from tools.inventory.claiming.names import Place
from tools.inventory.claiming.slugs import slug
from tools.payloads.facts.statements import Attribute, Condition, Fact, Statement, Status

MOST = 64
"""Of one thing: what is wholly broken is one trouble, not a thousand."""
_WORDS = {"Warning": State.DEGRADED, "Critical": State.FAILED}
_FORETOLD = "FailurePredicted"


@dataclass(slots=True)
class _Trouble:
    state: State = State.OK
    says: list[str] = field(default_factory=list)
    name: str = ""
    product: str = ""
    serial: str = ""

    def hear(self, fact: Fact) -> None:
        match fact:
            case Condition(type="Healthy", status=Status.FALSE):
                self._worse(_WORDS.get(fact.reason, State.DEGRADED), fact.reason or "not healthy", fact.message)
            case Condition(status=Status.TRUE) if fact.type == _FORETOLD:
                self._worse(State.DEGRADED, "it says that it will fail")
            case Statement(attribute=Attribute.NAME):
                self.name = str(fact.value)
            case Statement(attribute=Attribute.MODEL):
                self.product = str(fact.value)
            case Statement(attribute=Attribute.SERIAL):
                self.serial = str(fact.value)
            case _:
                pass

    def _worse(self, state: State, *words: str) -> None:
        if self.state is not State.FAILED:
            self.state = state
        self.says += [w for w in words if w and w not in self.says]


def parts(told: Iterable[tuple[Place, Fact]]) -> Iterator[Part]:
    """The parts that are not well of the things that a target spoke of."""
    troubles: dict[Place, _Trouble] = {}
    for place, fact in told:
        troubles.setdefault(place, _Trouble()).hear(fact)
    counts: dict[str, int] = {}
    for place, trouble in sorted(troubles.items()):
        if trouble.state is State.OK:
            continue
        counts[str(place.ref)] = counts.get(str(place.ref), 0) + 1
        if counts[str(place.ref)] <= MOST:
            yield _part(place, trouble)


def _part(place: Place, trouble: _Trouble) -> Part:
    return Part(
        id=PartId(slug(place.ref.kind, place.ref.id, place.part or "whole")),
        of=place.ref,
        name=trouble.name[:253],
        place=place.part[:253],
        state=trouble.state,
        says=canonical.clean_text("; ".join(trouble.says), limit=500),
        product=trouble.product[:253],
        serial=trouble.serial[:253],
    )
