"""Groups of jurisdictions become countries when a file is read; what is signed names those, and the lists' version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from estate.errors import BadInput
from estate.law import Facts
from policies.jurisdictions import shipped
from tests import builders
from tools.inventory.files import load_facts


def written(tmp_path: Path, **over: Any) -> Path:
    """The small estate's facts as somebody writes them."""
    form = builders.facts().json_form() | over
    path = tmp_path / "facts.yaml"
    path.write_text(yaml.safe_dump(form, sort_keys=False))
    return path


def allowing(*names: str) -> list[Any]:
    tenants = [t.json_form() for t in builders.facts().tenants]
    tenants[0] |= {"residency": {"geographic": ["DE"], "legal": [*names], "operational": ["DE"]}}
    return tenants


def test_a_group_is_its_countries_and_the_version_of_the_lists_is_signed_with_them(tmp_path: Path) -> None:
    facts = load_facts(written(tmp_path, tenants=allowing("EEA", "adequate", "US")))
    legal = facts.tenants[0].residency.legal
    assert {"DE", "NO", "LI", "CH", "JP", "US"} <= set(legal)
    assert len(legal) == len(set(legal)) == 30 + 14 + 1
    assert facts.jurisdictions == shipped().version
    assert not {"EU", "EEA", "adequate"} & {str(c) for c in legal}
    assert Facts.read(facts.canonical()) == facts


def test_facts_that_name_no_group_keep_their_digest(tmp_path: Path) -> None:
    assert load_facts(written(tmp_path)).digest == builders.facts().digest


@pytest.mark.parametrize("where", ["tenants", "entities"])
def test_what_is_neither_a_country_nor_a_group_is_refused_with_its_line(tmp_path: Path, where: str) -> None:
    """`UK` and `EL` are what people write for `GB` and `GR`; an unknown one would only ever deny."""
    entities = [e.json_form() for e in builders.facts().entities]
    entities[1] |= {"seat": "UK"}
    over = {"tenants": allowing("UK"), "entities": entities}
    with pytest.raises(BadInput, match=r"facts.yaml:\d+: .*`UK` is no country of ISO 3166-1"):
        load_facts(written(tmp_path, **{where: over[where]}))


def test_the_lists_are_those_of_their_sources() -> None:
    lists = shipped()
    assert (len(lists.groups["EU"]), len(lists.groups["EEA"]), len(lists.countries)) == (27, 30, 249)
    assert set(lists.groups["EU"]) < set(lists.groups["EEA"])
    assert not set(lists.groups["adequate"]) & set(lists.groups["EEA"])
    assert {c for group in lists.groups.values() for c in group} <= lists.countries
    assert not {"US", "CA"} & set(lists.groups["adequate"]), "decisions for a part of a country are no country's"
