"""What is installed is registered in the words of the facts' owner, and a release has one digest wherever it lies."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from agents import roster
from console import registering
from console.initialising import Founding, found, register_installed
from console.lawgivers import facts_ring
from console.registering import Registering
from console.state import StateDirectory
from estate.errors import BadInput
from estate.ids import EntityId, InstallationId, TenantId
from estate.law import DataClass
from estate.uses.running import ComponentSort
from policies.signed_facts import open_facts
from tests import builders
from tools import contents
from tools.catalogue.registry import TOOLS

FACTS = builders.facts(registrations=())


def test_a_release_has_one_digest_wherever_it_lies_and_another_with_one_byte_changed(tmp_path: Path) -> None:
    """Not by what an interpreter or an editor left beside it."""
    here = contents.of_paths("agents/cases", "agents/containment.py")
    shutil.copytree(contents.ROOT / "agents", tmp_path / "agents", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "agents/cases/__pycache__").mkdir()
    (tmp_path / "agents/cases/__pycache__/nodes.pyc").write_bytes(b"1")
    (tmp_path / "agents/cases/.nodes.py.swp").write_bytes(b"2")
    assert contents.of_paths("agents/cases", "agents/containment.py", root=tmp_path) == here
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    with (tmp_path / "agents/cases/nodes.py").open("a") as file:
        file.write("\n")
    assert contents.of_paths("agents/cases", "agents/containment.py", root=tmp_path / "elsewhere") != here
    with pytest.raises(BadInput, match="is not installed; install Placet anew"):
        contents.of_paths("agents/nowhere")


def test_every_agent_duty_mind_and_tool_is_on_the_roster_under_a_name_of_its_own() -> None:
    shipped = roster.shipped()
    assert len({s.maker.id for s in shipped}) == len(shipped) == len(roster.PARTS) + len(TOOLS)
    assert len({s.maker.content for s in shipped}) == len(shipped)


def test_all_that_is_installed_is_registered_once_and_by_whoever_operates() -> None:
    made = registering.register(FACTS)
    assert {r.owner for r in made.new} == {EntityId("eu-hosting")}
    assert all(set(r.tenants) == set(FACTS.tenant) and set(r.data_classes) == set(DataClass) for r in made.new)
    again = registering.register(made.facts)
    assert (again.changed, again.facts) == (False, made.facts)


def test_an_upgrade_renews_the_digest_and_leaves_what_an_owner_said() -> None:
    own = (TenantId("tenant-a"),)
    known = registering.register(FACTS, Registering(owner=EntityId("acme"))).facts
    old = tuple(
        r.model_copy(update={"content": builders.registration().content, "tenants": own, "valid_until": builders.START})
        for r in known.registrations
    )
    before = known.model_copy(update={"registrations": (*old, builders.registration())})
    made = registering.register(before)
    assert {(r.tenants, r.valid_until, r.owner) for r in made.renewed} == {(own, builders.START, EntityId("acme"))}
    assert {r.id: r.content for r in made.renewed} == {s.maker.id: s.maker.content for s in roster.shipped()}
    assert made.facts.registrations[-1] == builders.registration(), "what is no part of Placet stays"
    assert not registering.register(before, Registering(keep=True)).changed, "a law base written by hand"
    wide = registering.register(made.facts, Registering(all_tenants=True))
    assert {r.tenants for r in wide.renewed} == {tuple(sorted(FACTS.tenant))}


def test_what_cannot_be_registered_says_why() -> None:
    with pytest.raises(BadInput, match="`nobody` is no legal entity of the facts; there are `acme`"):
        registering.register(FACTS, Registering(owner=EntityId("nobody")))
    taken = builders.facts(registrations=(builders.registration("place", sort=ComponentSort.MODEL),))
    with pytest.raises(BadInput, match="`place` is registered as model, and the tool `place` of Placet bears"):
        registering.register(taken)


def test_facts_are_signed_anew_as_the_next_version_and_only_where_something_changed(tmp_path: Path) -> None:
    state, now = StateDirectory(tmp_path / "state"), builders.START
    founded = found(state, Founding(InstallationId("reg"), facts=FACTS, world=builders.world()), now)
    assert any("installed agents and tools" in line for line in founded.made)
    signed = state.facts_path.read_bytes()
    assert not register_installed(state, Registering(), now, sign=True)[1].changed
    assert state.facts_path.read_bytes() == signed
    asked = Registering(owner=EntityId("acme"))
    assert register_installed(state, asked, now, sign=False)[1].facts.version == 2
    assert state.facts_path.read_bytes() == signed, "only looked at"
    register_installed(state, asked, now, sign=True)
    facts = open_facts(state.facts_path.read_bytes(), facts_ring(state.record()), now + timedelta(days=1))
    assert (facts.version, {r.owner for r in facts.registrations}) == (2, {EntityId("acme")})
    state.key_path("facts").unlink()
    with pytest.raises(BadInput, match="has not both the facts and their key"):
        register_installed(state, asked, now, sign=True)
