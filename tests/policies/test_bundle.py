"""The law loads whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from estate.errors import BadInput
from estate.identities import Role
from policies.bundle import LOCKED, SHIPPED, Bundle
from tests.policies.asking import law


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of the shipped rules that a test may spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "rules"))


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_the_shipped_rules_load_and_say_what_they_are() -> None:
    bundle = law()
    assert {r.tier for r in bundle.rules.values()} == {0, 1, 2}
    assert all(r.forbids for r in bundle.rules.values() if r.tier == 0)
    assert bundle.rules["tenant-consents"].requires is Role.TENANT_OWNER
    assert bundle.rules["tenant-consents"].count == 1


def test_every_forbid_has_a_reason_and_a_remedy() -> None:
    assert all(r.reason and r.remedy for r in law().rules.values() if r.forbids)


def test_the_digest_is_of_the_texts_and_nothing_else(rules: Path) -> None:
    assert Bundle.load(rules).digest == law().digest
    _append(rules / "tier1" / "power.cedar", "// a word more\n")
    assert Bundle.load(rules).digest != law().digest


@pytest.mark.parametrize("name", LOCKED)
def test_a_missing_tier_0_file_refuses(rules: Path, name: str) -> None:
    (rules / "tier0" / f"{name}.cedar").unlink()
    with pytest.raises(BadInput, match="missing"):
        Bundle.load(rules)


@pytest.mark.parametrize("name", LOCKED)
def test_a_softened_tier_0_file_refuses(rules: Path, name: str) -> None:
    """Tier 0 is locked word for word: a rule that is weaker by one condition must not load."""
    _append(rules / "tier0" / f"{name}.cedar", "\n")
    with pytest.raises(BadInput, match="locked"):
        Bundle.load(rules)


def test_a_permit_in_tier_0_or_1_refuses(rules: Path) -> None:
    for tier in ("tier0", "tier1"):
        path = rules / tier / "loophole.cedar"
        path.write_text('@id("loophole")\n@reason("x")\npermit(principal, action, resource);\n', encoding="utf-8")
        with pytest.raises(BadInput, match="holds forbids only"):
            Bundle.load(rules)
        path.unlink()


@pytest.mark.parametrize("text", ["", "entity Actor", "entity Actor;\n", "not a schema {"])
def test_an_invalid_schema_refuses(rules: Path, text: str) -> None:
    """Cedar once ignored an invalid schema silently; then typing errors would turn a forbid off."""
    (rules / "schema.cedarschema").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput):
        Bundle.load(rules)


def test_a_missing_schema_refuses(rules: Path) -> None:
    (rules / "schema.cedarschema").unlink()
    with pytest.raises(BadInput, match="schema"):
        Bundle.load(rules)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('@reason("x")\npermit(principal, action, resource);', "@id"),
        ('@id("x")\npermit(principal, action, resource);', "@reason"),
        ('@id("power")\n@reason("x")\nforbid(principal, action, resource);', "@dimension"),
        ('@id("rack-power")\n@reason("x")\npermit(principal, action, resource);', "twice"),
        (
            '@id("x")\n@reason("x")\n@dimension("luck")\n@remedy("x")\n@requires("operator")\nforbid(principal,action,resource);',
            "luck",
        ),
        ('@id("x")\n@reason("x")\n@dimension("cost")\n@remedy("x")\nforbid(principal, action, resource);', "@requires"),
        ('@id("x")\n@reason("x")\npermit(principal == ?principal, action, resource);', "template"),
        ('@id("x")\n@reason("x")\npermit(principal, action, resource) when { context.luck };', "schema"),
        ("permit(", "parse"),
        ("// nothing", "no policy"),
    ],
)
def test_a_rule_that_says_too_little_or_reads_the_unknown_refuses(rules: Path, text: str, fault: str) -> None:
    (rules / "tier2" / "house.cedar").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=fault):
        Bundle.load(rules)


def test_a_file_outside_the_tiers_refuses(rules: Path) -> None:
    (rules / "house.cedar").write_text("// lost", encoding="utf-8")
    with pytest.raises(BadInput, match="no tier"):
        Bundle.load(rules)
