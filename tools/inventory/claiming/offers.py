"""Prices, quotas and notices of clouds and power markets to prices and offers of the estate. Pure; called by `claims`.

A price of an instance is one of its accelerators only where an offer of an estate file says how many it has: the offer
bears, as alias `provider-id`, what the provider calls it (`aws/eu-central-1a/p5.48xlarge`). Money is in dollars; other
currencies at the rate that the administrator wrote. What does not fit stays a claim, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from estate.ids import PriceId
from estate.items import Item
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.units import MicroUsd
from estate.uses import offers
from estate.uses.offers import Offer, SpotNotice, Unit
from tools.inventory.claiming.names import Names
from tools.inventory.claiming.slugs import slug
from tools.inventory.port import About, Heard
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.statements import Basis, Fact, Notice, Price, Quota

HOLDS = timedelta(days=1)
"""How long a price is good for whose sender gives no end."""
_MILLION = 1_000_000
_SENT: dict[Basis, Unit] = {Basis.KILOWATT_HOUR: Unit.KILOWATT_HOUR, Basis.GIBIBYTE_SENT: Unit.EGRESS_GIGABYTE}
_HOURS = frozenset({Basis.INSTANCE_HOUR, Basis.SPOT_INSTANCE_HOUR})


@dataclass(frozen=True, slots=True)
class Unclear:
    """A fact that stays a claim."""

    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.about}: {self.why}"


@dataclass(frozen=True, slots=True)
class Market:
    """What is known when a target speaks of money."""

    heard: Heard
    source: str
    names: Names
    estate: Snapshot

    def read(self, facts: Sequence[Fact]) -> Iterator[Item | Unclear]:
        """Each price, quota and notice as an item, or why it is none."""
        yield from self._prices([f for f in facts if isinstance(f, Price)])
        yield from self._capacity([f for f in facts if isinstance(f, Quota | Notice)])

    def _prices(self, prices: list[Price]) -> Iterator[Item | Unclear]:
        """Of several of one thing the newest counts, and none that is over."""
        found: dict[str, Item | Unclear] = {}
        for price in sorted(prices, key=lambda p: p.since or _when(self.heard, p)):
            if price.until is None or price.until > self.heard.at:
                made = self._price(price)
                found[str(made) if isinstance(made, Unclear) else made.id] = made
        yield from found.values()

    def _capacity(self, facts: list[Quota | Notice]) -> Iterator[Item | Unclear]:
        """What is said of one offer is one claim."""
        claims: dict[Ref, Offer] = {}
        for fact in facts:
            made = self._quota(fact, claims) if isinstance(fact, Quota) else self._notice(fact, claims)
            if isinstance(made, Unclear):
                yield made
            else:
                claims[made.ref] = made
        yield from claims.values()

    def _price(self, price: Price) -> offers.Price | Unclear:
        about = str(price.subject)
        rate = _rate(price.currency, self.heard.about)
        if rate is None:
            return Unclear(about, f"its currency is {price.currency}; write `micro_usd: {{{price.currency}: …}}`")
        if price.micros < 0:
            return Unclear(about, "it costs less than nothing, which no price of the estate can say")
        if price.basis in _HOURS:
            return self._hour(price, rate)
        unit = _SENT[price.basis]
        per = 1_000_000_000 / 2**30 if unit is Unit.EGRESS_GIGABYTE else 1.0
        return self._made(price, unit, round(price.micros * rate * per / _MILLION), None)

    def _hour(self, price: Price, rate: int) -> offers.Price | Unclear:
        offer = self._offer(price.subject)
        if offer is None:
            return Unclear(str(price.subject), f"no offer has the alias provider-id `{_alias(price.subject)}`")
        amount = round(price.micros * rate / _MILLION / offer.accelerators_each)
        return self._made(price, Unit.GPU_HOUR, amount, offer)

    def _made(self, price: Price, unit: Unit, amount: int, offer: Offer | None) -> offers.Price:
        said = price.since or _when(self.heard, price)
        return offers.Price(
            id=PriceId(slug(*self.source.split("/"), price.subject.value, price.basis.value, *_hours(price))),
            unit=unit,
            amount=MicroUsd(amount),
            model=offer.model if offer is not None else "",
            site=offer.site if offer is not None else self.heard.about.site,
            provider=price.subject.scope,
            stated_by=f"{self.source}: {price.subject.value}, {price.basis.value}"[:512],
            valid_from=price.since,
            valid_until=price.until or said + HOLDS,
        )

    def _quota(self, quota: Quota, claims: dict[Ref, Offer]) -> Offer | Unclear:
        offer = self._offer(quota.subject)
        if offer is None:
            return Unclear(str(quota.subject), f"no offer has the alias provider-id `{_alias(quota.subject)}`")
        if quota.counted != "gpu":
            return Unclear(str(quota.subject), f"it counts {quota.counted}, and nobody says how many a GPU takes")
        rented = {} if quota.used is None else {"rented": quota.used}
        return claims.get(offer.ref, _bare(offer)).model_copy(update={"quota": quota.limit, **rented})

    def _notice(self, notice: Notice, claims: dict[Ref, Offer]) -> Offer | Unclear:
        place = self.names.place(notice.subject, self.estate)
        every = (o for o in self.estate.stock.all("offer") if isinstance(o, Offer))
        rented = [o for o in every if o.spot and o.provider == notice.subject.scope]
        if place is None or place.ref.kind != "node" or len(rented) != 1:
            return Unclear(str(notice.subject), "no node is that instance, or no one spot offer is its provider's")
        offer = claims.get(rented[0].ref, _bare(rented[0]))
        leaves = notice.due or _when(self.heard, notice)
        told = SpotNotice(node=place.ref.id, instance=notice.subject.value[:256], leaves_at=leaves)
        return offer.model_copy(update={"notices": (*offer.notices, told)[-1024:]})

    def _offer(self, mention: Mention) -> Offer | None:
        place = self.names.place(mention, self.estate)
        found = self.estate.stock.get(place.ref) if place is not None else None
        return found if isinstance(found, Offer) else None


def _bare(offer: Offer) -> Offer:
    """The offer's names and nothing that anybody said of it."""
    return Offer(
        id=offer.id, provider=offer.provider, model=offer.model, valid_until=offer.valid_until, aliases=offer.aliases
    )


def _hours(price: Price) -> tuple[str, ...]:
    """Of prices with an end, one for each beginning: a market tells tomorrow's hours today."""
    timed = price.since is not None and price.until is not None
    return (f"{price.since:%Y%m%dt%H%M}",) if timed else ()


def _alias(mention: Mention) -> str:
    return f"{mention.scope}/{mention.value}"


def _rate(currency: str, about: About) -> int | None:
    return _MILLION if currency == "USD" else about.micro_usd.get(currency)


def _when(heard: Heard, fact: Fact) -> datetime:
    return fact.witness.at or heard.at
