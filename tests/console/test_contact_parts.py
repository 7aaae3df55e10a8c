"""The parts of first contact that need no cluster: what is foreseen, what is drafted, what reaches a terminal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.minds.runbook import Runbook
from console.contact import describing, drafting, foreseeing, grounds, listing, troubles
from console.contact.foreseeing import Foreseen, Means
from console.contact.grounds import LawBase
from console.contact.listing import Identity, Sight
from console.contact.meeting import Found, Report, report
from console.contact.rights import Rights
from console.contact.telling import tell
from estate.frozen import FrozenEstate
from estate.hardware import Health, Taint, TaintEffect
from estate.ids import NodeId, Uid
from estate.law import Facts
from estate.verdicts import Decision
from policies.reviewing import review
from tests import builders
from tests.console.test_safe_output import HIDDEN
from tests.policies.asking import law
from tools.inventory import files
from tools.kubernetes.connecting import Access
from tools.placement.engine import MaskEngine

UID = Uid("uid-eu-1")
EU_NODES = [NodeId(f"eu-{r}{n}") for r in "ab" for n in (1, 2, 3, 4)]


def failing(nodes: set[NodeId]) -> FrozenEstate:
    """The small estate, in which these nodes are not ready."""
    broken = [n.model_copy(update={"health": Health.FAILED}) if n.id in nodes else n for n in builders.default_nodes()]
    return builders.estate(nodes=broken)


async def foreseen(on: FrozenEstate) -> dict[str, Foreseen]:
    """What would be done, by what it is about."""
    means = Means(law(), MaskEngine(), Runbook(), builders.START)
    found = await foreseeing.foresee(on, troubles.troubles(on, review(on, law(), builders.START)), means)
    return {f.about: f for f in found}


def found(on: FrozenEstate, held: Rights | None = None, **kept_out: str) -> Found:
    """First contact with a cluster that holds the small estate."""
    ground = grounds.recognise(LawBase(builders.facts(), "facts.yaml"), UID, "local")
    sight = Sight(on, kept_out=kept_out)
    return Found(Access(Path("some.kubeconfig")), Identity(UID, "v1.36.3"), ground, sight, held)


async def test_fences_are_judged_one_after_another_and_a_breaker_opens() -> None:
    """A quarter of a site may be fenced: the third of eight nodes is for people, as it would be on the real path."""
    would = await foreseen(failing({NodeId("eu-a3"), NodeId("eu-b3"), NodeId("eu-b4")}))
    decided = {about: f.proposed[0] for about, f in would.items()}
    assert [p.decision for p in decided.values()] == [Decision.PERMIT, Decision.PERMIT, Decision.FORBID]
    assert {f.policy for f in decided["node/eu-b4"].failures} == {"breaker-site"}


async def test_a_tenant_who_wants_to_be_asked_is_asked() -> None:
    """`b-train` moves off a node only with its owner's word; what a person has to say is told."""
    would = await foreseen(failing({NodeId("eu-b1")}))
    fence, moving = would["node/eu-b1"].proposed
    assert (fence.decision, moving.decision) == (Decision.PERMIT, Decision.NEEDS_APPROVAL)
    assert moving.asked[0].startswith("1 × tenant-owner of tenant-b must approve (tenant-consents)")


@settings(max_examples=15)
@given(lost=st.sets(st.sampled_from(EU_NODES), min_size=1, max_size=5))
async def test_a_what_if_leaves_the_estate_as_it_was(lost: set[NodeId]) -> None:
    """And every lost node is accounted for: something is proposed for it, or it says why nothing is."""
    on = failing(lost)
    before = (list(on.nodes()), list(on.workloads()))
    would = await foreseen(on)
    assert (list(on.nodes()), list(on.workloads())) == before
    assert {f"node/{n}" for n in lost} <= set(would)
    assert all(f.proposed or f.nothing for f in would.values())


async def test_a_cordon_that_people_made_is_told_and_left_to_them() -> None:
    cordoned = [n.model_copy(update={"cordoned": n.id == "eu-a1"}) for n in builders.default_nodes()]
    would = await foreseen(builders.estate(nodes=cordoned))
    assert would["node/eu-a1"].trouble == "the node is cordoned, and 2 workloads still run there"
    assert not would["node/eu-a1"].proposed
    assert would["node/eu-a1"].nothing.startswith("the runbook has no remedy for")


async def test_a_promise_that_is_broken_is_a_trouble_of_its_own() -> None:
    would = await foreseen(failing({NodeId("eu-a1"), NodeId("eu-a2")}))
    assert would["workload/a-serve"].trouble == "0 replicas run, 1 are promised"


LABELS = st.dictionaries(
    st.sampled_from([drafting.ZONE, drafting.CLIQUE, "example.com/rack", "kubernetes.io/hostname"]),
    st.text(max_size=70),
)


@given(labels=st.dictionaries(st.sampled_from([f"{n}.eu.example" for n in EU_NODES]), LABELS))
def test_a_draft_parses_and_permits_nothing_whatever_labels_say(labels: dict[str, dict[str, str]]) -> None:
    """Whoever labels nodes may write anything: it becomes a group or a comment, and never a permission."""
    ground = grounds.recognise(LawBase(None, "none"), UID, "local")
    seen = describing.describe(builders.estate(law_base=grounds.nothing()))
    facts = files.parse(Facts, drafting.draft(ground, seen, labels, builders.START).encode(), "draft")
    placed = [n for r in facts.racks for n in r.nodes]
    assert len(placed) == len(set(placed))
    assert set(placed) <= {n.id for n in seen.nodes}
    later = facts.model_copy(update={"valid_until": builders.START + timedelta(days=1)})
    on = builders.estate(law_base=Facts.model_validate(later.json_form()))
    assert not [r for r in review(on, law(), builders.START) if r.lawful]


@pytest.mark.parametrize("variable", ["NO_COLOR", "FORCE_COLOR"])
async def test_colour_is_for_terminals_that_want_it(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(variable, "1")
    tell(await report(found(failing({NodeId("eu-a1")})), builders.START))
    assert ("\x1b[" in capsys.readouterr().out) is (variable == "FORCE_COLOR")


async def test_what_a_cluster_calls_things_never_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Labels, taints, users and reasons are anybody's words."""
    evil = "\x1b[2J\u202e[red]x[/red]\x07"
    odd = [
        n.model_copy(
            update={
                "name": f"{n.id}{evil}",
                "taints": (Taint(key=f"k{evil}", effect=TaintEffect.NO_SCHEDULE),),
                "accelerators": tuple(a.model_copy(update={"model": evil}) for a in n.accelerators),
            }
        )
        for n in builders.default_nodes()
    ]
    held = Rights(who=evil, questions=1, reads=1, beyond=(evil,), lacking=(evil,))
    tell(await report(found(builders.estate(nodes=odd), held, pod=evil), builders.START))
    told = capsys.readouterr().out
    assert not [c for c in HIDDEN if c in told]
    assert "[red]x[/red]" in told


def test_a_cluster_never_gets_the_name_of_another(tmp_path: Path) -> None:
    """A context may be called as a cluster of the facts is, or be no name at all."""
    base = LawBase(builders.facts(), "facts.yaml")
    assert grounds.recognise(base, UID, "us-1").cluster == "eu-1"
    stranger = Uid("11111111-2222")
    assert grounds.recognise(base, stranger, "us-1").cluster == "us-1-11111111"
    assert grounds.recognise(base, stranger, "admin@prod EU").cluster == "admin-prod-eu"
    assert grounds.recognise(base, stranger, "\u4e2d").cluster == "cluster-11111111"


async def test_the_next_steps_end_at_a_configuration_that_loads() -> None:
    held = Rights(who="reader", questions=1, reads=1, beyond=(), lacking=())
    told: Report = await report(found(builders.estate(), held), builders.START)
    assert told.next == (
        "then watch it: this in placet.yaml, and `placet run`, which observes",
        "  clusters:",
        "  - id: eu-1",
        "    reader:",
        "      kubeconfig: some.kubeconfig",
    )
    assert told.reviews == review(builders.estate(), law(), builders.START)
    assert listing.VISITOR == "visitor"
