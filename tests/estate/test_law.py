"""Facts contradict neither themselves nor what was signed before their fields were known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import law
from estate.errors import BadInput
from estate.ids import EntityId, TenantId
from estate.units import PerMille
from tests import builders

HOLDER = EntityId("us-cloud")


def facts(field: str, name: str, **over: Any) -> law.Facts:
    """The small law base with one thing otherwise, read as from a file."""
    form = builders.facts().json_form()
    listed = form[field]
    assert isinstance(listed, list)
    form[field] = [{**i, **over} if isinstance(i, dict) and i["id"] == name else i for i in listed]
    return law.Facts.read(form)


LATER: dict[str, tuple[str, str, dict[str, Any]]] = {
    "holdings": ("entities", "eu-hosting", {"holdings": [{"holder": "acme", "capital": 100}]}),
    "ultimate parent": ("entities", "eu-hosting", {"parents": ["acme"], "ultimate_parent": "acme"}),
    "compulsions": (
        "entities",
        "us-cloud",
        {"compulsions": [{"country": "US", "statute": "CLOUD Act", "reaches": ["data"]}]},
    ),
    "control plane": ("clusters", "eu-1", {"control_plane_in": ["DE"]}),
    "key model": ("clusters", "eu-1", {"key_model": "hyok"}),
    "certificates": (
        "clusters",
        "eu-1",
        {"certificates": [{"scheme": "C5", "valid_until": "2027-06-30T00:00:00Z"}]},
    ),
    "transfer": (
        "datasets",
        "a-records",
        {
            "sort": "weights",
            "data_class": "restricted",
            "transfers": [
                {
                    "instrument": "standard-clauses",
                    "to": ["US"],
                    "basis": "SCC 2021/914",
                    "valid_until": "2027-06-30T00:00:00Z",
                }
            ],
        },
    ),
    "tree": ("tenants", "tenant-b", {"parent": "tenant-a", "level": "division", "quotas": [{"accelerators": 64_000}]}),
    "key jurisdictions": (
        "tenants",
        "tenant-b",
        {"residency": {"geographic": ["DE"], "legal": ["DE"], "operational": ["DE"], "key": ["DE"]}},
    ),
}


@pytest.mark.parametrize("name", LATER)
def test_what_the_law_may_say_now_is_read_written_and_digested(name: str) -> None:
    found = facts(LATER[name][0], LATER[name][1], **LATER[name][2])
    assert law.Facts.read(found.canonical()) == found
    assert found.digest != builders.facts().digest


def test_facts_that_say_none_of_it_are_what_they_always_were() -> None:
    """The golden form of facts is held byte for byte elsewhere; here, that not even empty fields are added."""
    words = {"holdings", "ultimate_parent", "compulsions", "control_plane_in", "key_model", "certificates", "key"}
    words |= {"parent", "level", "quotas", "sort", "data_class", "transfers", "derived_from"}
    assert not words & _keys(builders.facts(registrations=()).json_form())


def _keys(form: Any) -> set[str]:
    if isinstance(form, dict):
        return set(form) | set().union(*(_keys(v) for v in form.values()))
    return set().union(*(_keys(v) for v in form)) if isinstance(form, list) else set()


@pytest.mark.parametrize(
    ("field", "name", "over", "fault"),
    [
        ("entities", "eu-hosting", {"holdings": [{"holder": "nobody"}]}, r"holdings: `nobody` is not defined"),
        (
            "entities",
            "eu-hosting",
            {"holdings": [{"holder": "us-cloud", "votes": 501}]},
            r"`us-cloud` controls it; name it in `parents`",
        ),
        (
            "entities",
            "eu-hosting",
            {"holdings": [{"holder": "us-cloud", "control": "golden-share"}]},
            r"`us-cloud` controls it; name it in `parents`",
        ),
        ("entities", "eu-hosting", {"ultimate_parent": "us-cloud"}, r"is not where its parents end \(nobody\)"),
        (
            "entities",
            "eu-hosting",
            {"compulsions": [{"country": "US", "statute": "CLOUD Act"}]},
            r"(?i)`US` is neither its seat nor in `compelled_by`",
        ),
        ("tenants", "tenant-b", {"parent": "tenant-z"}, r"tenants\.tenant-b\.parent: `tenant-z` is not defined"),
        ("tenants", "tenant-b", {"parent": "tenant-b"}, r"`tenant-b` would be above itself"),
        ("tenants", "tenant-b", {"quotas": [{"site": "mars"}]}, r"quotas: `mars` is not defined"),
        ("datasets", "a-records", {"derived_from": ["a-records"]}, r"`a-records` would be above itself"),
        ("datasets", "a-records", {"derived_from": ["gone"]}, r"derived_from: `gone` is not defined"),
    ],
)
def test_what_contradicts_the_rest_of_the_file_is_refused(
    field: str, name: str, over: dict[str, Any], fault: str
) -> None:
    with pytest.raises(BadInput, match=fault):
        facts(field, name, **over)


@given(st.integers(0, 1000) | st.none(), st.sampled_from([None, *law.Control]), st.booleans())
def test_no_holding_that_controls_escapes_the_rules(
    votes: int | None, control: law.Control | None, named: bool
) -> None:
    """The rules follow `parents` alone; so whoever controls must be among them, or the file is refused."""
    holding = law.Holding(holder=HOLDER, votes=None if votes is None else PerMille(votes), control=control)
    over = {"holdings": [holding.json_form()], "parents": [HOLDER] if named else []}
    if holding.controls and not named:
        with pytest.raises(BadInput, match="controls it"):
            facts("entities", "eu-hosting", **over)
    else:
        assert facts("entities", "eu-hosting", **over)


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_tenants_are_a_tree_and_each_knows_all_below_it(parents: list[int]) -> None:
    """Number 0 has no parent; every other may name any. A circle is refused, else the sets are what a walk up gives."""
    names = [f"t{i}" for i in range(6)]
    tenants = tuple(
        builders.tenant(name, parent=TenantId(names[parents[i]]) if i else None, namespaces=())
        for i, name in enumerate(names)
    )
    walks = [_walk(i, parents) for i in range(6)]
    if any(w is None for w in walks):
        with pytest.raises(ValueError, match="would be above itself"):
            builders.facts(tenants=tenants, datasets=())
        return
    below = builders.facts(tenants=tenants, datasets=()).tenants_below
    for i, name in enumerate(names):
        assert below[TenantId(name)] == {names[n] for n, walk in enumerate(walks) if walk is not None and i in walk}


def _walk(start: int, parents: list[int]) -> list[int] | None:
    """From a tenant up to number 0, itself included; None in a circle."""
    walk = [start]
    while walk[-1] != 0:
        walk.append(parents[walk[-1]])
        if len(walk) > 7:
            return None
    return walk


def test_a_copy_of_facts_with_other_tenants_knows_them_and_not_the_old_ones() -> None:
    """Pydantic would copy what was derived from the old ones too; the kernel, which reads the list, told of it."""
    facts = builders.facts()
    assert TenantId("tenant-a") in facts.tenant
    other = facts.model_copy(update={"tenants": facts.tenants[1:]})
    assert TenantId("tenant-a") not in other.tenant
    assert TenantId("tenant-a") in facts.tenant
