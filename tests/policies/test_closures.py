"""Whom the law finds at the end of each way of control, and who holds keys: by Cedar and by the kernel alike."""

from __future__ import annotations

from typing import Any

import pytest

from estate.frozen import FrozenEstate
from estate.ids import Country, EntityId
from estate.law import Control, Facts, Holding, LegalEntity
from estate.verdicts import Dimension
from policies import deciding, reviewing
from tests import builders
from tests.policies.asking import law
from tests.policies.test_reporting import abroad

_DEFAULT = builders.facts()
ROLES = ("owner", "operator", "key_holder", "update_authority", "subprocessors")


def person(name: str, seat: str = "DE", **over: Any) -> LegalEntity:
    return LegalEntity(id=EntityId(name), name=name, seat=Country(seat), **over)


def held(role: str, *chain: LegalEntity) -> Facts:
    """The European cluster in the hands, in that role, of the first of these, each of whom the next one controls."""
    names = [e.id for e in chain]
    linked = (e.model_copy(update={"parents": tuple(names[n + 1 : n + 2])}) for n, e in enumerate(chain))
    field, where = ("sites", "eu-de") if role == "owner" else ("clusters", "eu-1")
    given = {role: (names[0],) if role == "subprocessors" else names[0]}
    there = tuple(i.model_copy(update=given if i.id == where else {}) for i in getattr(_DEFAULT, field))
    return builders.facts(entities=(*_DEFAULT.entities, *linked), **{field: there})


def keys_limited(facts: Facts, *countries: str) -> Facts:
    """The keys to `a-records` may be held by people of these countries only, whatever may be done otherwise."""
    wide = builders.residency("DE", "FR", "US")
    (records,) = facts.datasets
    limit = wide.model_copy(update={"key": tuple(map(Country, countries))})
    fields = {name: getattr(facts, name) for name in Facts.model_fields} | {
        "datasets": (records.model_copy(update={"residency": limit}),),
        "tenants": tuple(t.model_copy(update={"residency": wide}) for t in facts.tenants),
    }
    return Facts.model_validate(fields)


def broken(facts: Facts) -> set[Dimension]:
    """What `a-serve` breaks where it stands; Cedar and the kernel must say the same."""
    estate: FrozenEstate = builders.estate(law_base=facts)
    (serve,) = (w.id for w in estate.workloads() if w.id == "a-serve")
    failures = reviewing.stands(estate, law(), builders.START, serve)
    assert deciding.KERNEL not in {f.policy for f in failures}, "the kernel alone objects"
    return {f.dimension for f in failures}


@pytest.mark.parametrize("role", ROLES)
def test_each_way_of_control_is_followed_to_its_end(role: str) -> None:
    """By that way alone, over two owners at home: with the last one at home too it is lawful."""
    abroad = held(role, person("shell"), person("fund"), person("state", "US"))
    assert broken(abroad) == {Dimension.LEGAL}
    assert broken(held(role, person("shell"), person("fund"), person("state"))) == set()


def test_control_by_other_means_than_shares_is_control() -> None:
    golden = Holding(holder=EntityId("state"), control=Control.GOLDEN_SHARE)
    assert broken(held("operator", person("shell", holdings=(golden,)), person("state", "US"))) == {Dimension.LEGAL}


def test_whoever_can_compel_without_sitting_there_counts() -> None:
    assert broken(held("operator", person("shell", compelled_by=(Country("US"),)))) == {Dimension.LEGAL}


def test_keys_have_a_limit_of_their_own_where_somebody_sets_one() -> None:
    """The tenant lets anybody of three countries run it, and nobody of one of them hold the keys to these records."""
    abroad = held("key_holder", person("shell"), person("fund"), person("state", "US"))
    assert broken(keys_limited(abroad, "DE", "FR")) == {Dimension.KEY}
    assert broken(keys_limited(abroad, "DE", "US")) == set()
    operated = held("operator", person("shell"), person("state", "US"))
    assert broken(keys_limited(operated, "DE")) == set(), "who holds no keys is no matter of this axis"
    assert broken(keys_limited(_DEFAULT, "SE")) == {Dimension.KEY}


@pytest.mark.parametrize(("days", "lawful"), [((30,), True), ((0,), False), ((0, 30), True), ((), True)])
def test_a_limit_that_rests_on_an_instrument_ends_with_it(days: tuple[int, ...], lawful: bool) -> None:
    """The data reaches the United States by a backup; that it may rests on instruments, where it names any."""
    assert broken(abroad(*days)) == (set() if lawful else {Dimension.LEGAL})


def test_a_limit_on_keys_that_nobody_meets_together_is_nobody() -> None:
    """Two that exclude each other leave nobody, and not everybody."""
    limited = keys_limited(_DEFAULT, "DE")
    own = tuple(
        t.model_copy(update={"residency": t.residency.model_copy(update={"key": (Country("FR"),)})})
        for t in limited.tenants
    )
    fields = {name: getattr(limited, name) for name in Facts.model_fields}
    assert broken(Facts.model_validate(fields | {"tenants": own})) == {Dimension.KEY}
