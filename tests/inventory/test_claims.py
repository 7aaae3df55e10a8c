"""What senders say becomes claims about things that somebody surely knows, and stays a counted claim otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.facilities.parts import Part
from estate.frozen import FrozenEstate
from estate.ids import NodeId, Uid
from estate.itemkinds import State
from estate.items import Item
from estate.references import Ref
from estate.uses.offers import Offer, Price
from estate.uses.sources import SourceState, Speech
from tests import builders
from tests import items as building
from tools.inventory.claiming.claims import Claims
from tools.inventory.claiming.names import Names, Place
from tools.inventory.claiming.slugs import slug
from tools.inventory.folding import Folded, fold
from tools.inventory.merging import Claim
from tools.inventory.port import About, Heard, Observed
from tools.payloads.facts import statements
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import (
    Attribute,
    Basis,
    Condition,
    Fact,
    Notice,
    Quota,
    Relation,
    Statement,
    Status,
    Tie,
    Witness,
)

NOW = builders.START
SAID = Witness("redfish/bmc-1", NOW)
UUID = "4c4c4544-0053-5210-8038-c8c04f583034"
AWS = "aws/eu-central-1a/p5.48xlarge"


def path(text: str, part: str = "") -> Mention:
    return Mention(MentionKind.CHASSIS, f"/redfish/v1/{text}", "bmc-1", part)


def heard(*facts: Fact, target: str = "bmc-1", at: datetime = NOW, **about: Any) -> Heard:
    return Heard(target, at, facts, about=About(**about))


def ill(where: Mention, health: str = "Critical") -> Condition:
    return Condition(where, "Healthy", Status.FALSE, SAID, health, "Enabled")


def same(where: Mention, kind: MentionKind, value: str) -> Relation:
    return Relation(where, Tie.SAME_AS, Mention(kind, value), SAID)


class Model:
    """An estate of nodes and items, as their own sources tell it, and what targets claim beside them."""

    def __init__(self, *items: Item, **fields: Any) -> None:
        nodes = tuple(builders.node(f"eu-a{n}") for n in range(1, 4))
        self.claims = Claims()
        self.state = Folded(builders.estate(nodes=(), workloads=()))
        self.conflicts: list[str] = []
        self.take(Observed("cluster", nodes=(nodes[0].model_copy(update=fields), *nodes[1:])))
        self.take(Observed("files", items=items, at=NOW))

    @property
    def estate(self) -> FrozenEstate:
        return self.state.estate

    def take(self, observed: Observed) -> bool:
        folding = fold(self.state, observed)
        self.state = folding.state
        self.conflicts += map(str, folding.conflicts)
        self.claims.seen(folding.nodes, folding.removed_nodes)
        return folding.changed

    def hear(self, said: Heard, source: str = "redfish") -> bool:
        """Whether anything of the model is otherwise."""
        self.claims.learn(Observed(source, heard=(said,)), self.estate)
        changed = [self.take(claimed) for claimed in self.claims.heard(source, said, self.estate)]
        return any(changed)

    def join_again(self, name: str) -> None:
        """The cluster makes the node anew, under another uid."""
        node = self.estate.node(NodeId(name))
        assert node is not None
        made = builders.node(name, uid=Uid("anew"))
        self.take(Observed("cluster", nodes=(made,)))
        for claimed in self.claims.renewed((made,), self.estate):
            self.take(claimed)

    def parts(self) -> dict[str, Part]:
        return {f"{p.of}/{p.place}": p for p in self.estate.stock.all("part") if isinstance(p, Part)}

    def source(self, name: str) -> SourceState:
        found = self.estate.stock.get(Ref("source", name))
        assert isinstance(found, SourceState)
        return found


def offer(**over: Any) -> Item:
    alias = {"kind": "provider-id", "value": AWS}
    return building.item("offer", provider="aws", accelerators_each=8, aliases=[alias], **over)


def test_a_machine_is_known_by_its_strong_name_and_told_once() -> None:
    model = Model(system_uuid=UUID)
    said = heard(
        same(path("Systems/1"), MentionKind.SYSTEM_UUID, UUID.upper()),
        Statement(path("Systems/1"), Attribute.MANUFACTURER, "Acme", SAID),
        Statement(path("Systems/1"), Attribute.MODEL, "G8", SAID),
        Statement(path("Systems/1"), Attribute.SERIAL, "SN-1", SAID),
    )
    assert model.hear(said)
    node = model.estate.node(NodeId("eu-a1"))
    assert node is not None
    assert (node.product, node.serial, node.system_uuid, node.cluster) == ("Acme G8", "SN-1", UUID, "eu-1")
    assert {o.source for o in node.origins} == {"redfish/bmc-1"}
    assert not model.hear(replace(said, at=NOW + timedelta(minutes=1))), "who says the same changes nothing"


def test_what_the_owner_says_stands_and_the_difference_is_told() -> None:
    model = Model(system_uuid=UUID, product="Other G9")
    model.hear(
        heard(
            same(path("Systems/1"), MentionKind.SYSTEM_UUID, UUID),
            Statement(path("Systems/1"), Attribute.MODEL, "G8", SAID),
        )
    )
    node = model.estate.node(NodeId("eu-a1"))
    assert node is not None
    assert node.product == "Other G9"
    assert model.conflicts == ["node/eu-a1.product"]


def test_a_machine_that_its_cluster_joins_again_is_claimed_under_its_new_names() -> None:
    model = Model()
    model.hear(heard(Statement(path("Systems/1"), Attribute.SERIAL, "SN-1", SAID), things={"": Ref("node", "eu-a1")}))
    model.join_again("eu-a1")
    node = model.estate.node(NodeId("eu-a1"))
    assert node is not None
    assert (node.uid, node.serial) == ("anew", "SN-1")
    claims = model.state.nodes.of(NodeId("eu-a1"))
    assert [type(c) for c in claims] == [Claim, Claim]


def test_what_is_said_beside_a_report_is_nothing_without_it_and_never_owns() -> None:
    """A BMC goes on to speak of a machine that left its cluster: nothing may be placed on its ghost."""
    model, spot = Model(offer()), Mention(MentionKind.OFFER, "eu-central-1a/p5.48xlarge", "aws")
    said = heard(Statement(path("Systems/1"), Attribute.SERIAL, "SN-1", SAID), things={"": Ref("node", "eu-a1")})
    model.hear(said)
    model.hear(heard(Quota(spot, 16, 4, "gpu", SAID), target="aws"), "files")
    model.take(Observed("cluster", removed_nodes=(NodeId("eu-a1"),)))
    model.take(Observed("files", whole=True))
    model.hear(said)
    assert model.estate.node(NodeId("eu-a1")) is None
    assert not list(model.estate.stock.all("offer"))
    model.take(Observed("cluster", nodes=(builders.node("eu-a1", serial="SN-2"),)))
    node = model.estate.node(NodeId("eu-a1"))
    assert node is not None
    assert node.serial == "SN-2", "its cluster's word stands"


def test_a_name_that_two_machines_have_is_nobodys() -> None:
    """Boards whose maker wrote one serial number into all of them: a guess would mix two machines up."""
    twins = (builders.node("eu-a1", serial="1234"), builders.node("eu-a2", serial="1234"))
    estate, names = builders.estate(), Names().seen(twins)
    mention = Mention(MentionKind.SERIAL, "1234", "acme")
    assert names.place(mention, estate) is None
    assert names.seen((builders.node("eu-a2"),)).place(mention, estate) == Place(Ref("node", "eu-a1"))
    assert names.seen((), (NodeId("eu-a2"),)).place(mention, estate) == Place(Ref("node", "eu-a1"))


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["", "a", "b"]), st.booleans()), max_size=12))
def test_names_are_those_of_the_nodes_however_they_came_and_went(history: list[tuple[int, str, bool]]) -> None:
    names, held = Names(), dict[str, str]()
    for number, serial, gone in history:
        node = f"eu-a{number}"
        names = names.seen((), (NodeId(node),)) if gone else names.seen((builders.node(node, serial=serial),))
        held = {n: s for n, s in held.items() if n != node} | ({} if gone else {node: serial})
    for serial in ("a", "b"):
        owners = [n for n, s in held.items() if s == serial]
        found = names.place(Mention(MentionKind.SERIAL, serial), builders.estate())
        assert found == (Place(Ref("node", owners[0])) if len(owners) == 1 else None)


def test_the_administrator_stands_above_what_a_bmc_says_of_itself() -> None:
    """Whoever owns a BMC could otherwise speak for another machine."""
    model = Model(system_uuid=UUID)
    model.hear(
        heard(
            same(path("Systems/1"), MentionKind.SYSTEM_UUID, UUID),
            ill(path("Systems/1")),
            things={"": Ref("node", "eu-a2")},
        )
    )
    assert set(model.parts()) == {"node/eu-a2/"}


def test_a_manager_of_several_machines_is_told_apart_by_path() -> None:
    model = Model()
    blades = {f"/redfish/v1/Chassis/Blade{n}": Ref("node", f"eu-a{n}") for n in (1, 2)}
    model.hear(
        heard(
            ill(path("Chassis/Blade1/Power", "PowerSupplies/0").whole(), "Warning"),
            ill(path("Chassis/Blade2/PowerSubsystem/PowerSupplies/A")),
            ill(path("Chassis/Blade3")),
            things=blades,
        )
    )
    assert {name: p.state for name, p in model.parts().items()} == {
        "node/eu-a1/PowerSupplies/0": State.DEGRADED,
        "node/eu-a2/PowerSubsystem/PowerSupplies/A": State.FAILED,
    }
    assert model.source("redfish.bmc-1").unresolved == 1
    assert "Blade3" in model.source("redfish.bmc-1").examples[0]


def test_a_part_is_gone_when_it_is_well_and_stays_while_nobody_says() -> None:
    model, about = Model(), {"things": {"": Ref("node", "eu-a1")}}
    supply = path("Chassis/1", "PowerSupplies/0")
    model.hear(heard(ill(supply), Statement(supply, Attribute.NAME, "PSU 1", SAID), **about))
    (part,) = model.parts().values()
    assert (part.name, part.says, part.state) == ("PSU 1", "Critical; Enabled", State.FAILED)
    model.hear(Heard("bmc-1", NOW, failure="it is away", about=About(**about)))
    assert model.parts(), "a silence is no news of the part"
    model.hear(heard(Condition(supply, "Healthy", Status.TRUE, SAID, "OK"), **about))
    assert not model.parts()


def test_a_round_that_was_not_whole_takes_nothing_away_that_it_did_not_speak_of() -> None:
    """A BMC that answers 503 to one of its resources would else mend the power supply that it told of there."""
    model, about = Model(), {"things": {"": Ref("node", "eu-a1")}}
    supply, fan = path("Chassis/1", "PowerSupplies/0"), path("Chassis/1", "Fans/0")
    serial = Statement(path("Systems/1"), Attribute.SERIAL, "SN-1", SAID)
    model.hear(heard(ill(supply), ill(fan), serial, **about))
    well = Condition(fan, "Healthy", Status.TRUE, SAID, "OK")
    model.hear(replace(heard(well, **about), partial=True))
    assert set(model.parts()) == {"node/eu-a1/PowerSupplies/0"}
    node = model.estate.node(NodeId("eu-a1"))
    assert node is not None
    assert node.serial == "SN-1"
    model.hear(heard(well, **about))
    assert not model.parts()


def test_a_node_stays_open_to_work_when_a_redundant_part_fails() -> None:
    model = Model()
    model.hear(heard(ill(path("Chassis/1", "PowerSupplies/0")), things={"": Ref("node", "eu-a1")}))
    before, now = builders.node("eu-a1"), model.estate.node(NodeId("eu-a1"))
    assert now is not None
    assert (now.health, now.fenced) == (before.health, before.fenced)


def test_what_is_said_of_a_silence_changes_only_with_it() -> None:
    model = Model()
    assert model.hear(heard())
    assert not model.hear(heard(at=NOW + timedelta(minutes=1)))
    away = Heard("bmc-1", NOW + timedelta(minutes=2), failure="it is away")
    assert model.hear(away)
    assert not model.hear(replace(away, at=NOW + timedelta(minutes=3)))
    state = model.source("redfish.bmc-1")
    assert (state.speech, state.since, state.heard_at) == (Speech.SILENT, away.at, NOW + timedelta(minutes=1))
    model.hear(Heard("bmc-2", NOW, failure="never there"))
    assert model.source("redfish.bmc-2").speech is Speech.NEVER


def money(basis: Basis, micros: int, currency: str = "USD", **times: Any) -> statements.Price:
    subject = Mention(MentionKind.OFFER, "eu-central-1a/p5.48xlarge", "aws")
    return statements.Price(subject, basis, micros, currency, Witness("files/spot", NOW), **times)


def test_an_instances_price_is_one_of_its_accelerators_until_its_end() -> None:
    model = Model(offer())
    until = NOW + timedelta(hours=3)
    old = money(Basis.SPOT_INSTANCE_HOUR, 80_000_000, since=NOW - timedelta(hours=2))
    new = money(Basis.SPOT_INSTANCE_HOUR, 40_000_000, since=NOW - timedelta(hours=1))
    model.hear(heard(new, old, target="spot"), "files")
    (price,) = [p for p in model.estate.stock.all("price") if isinstance(p, Price)]
    assert (price.amount, price.valid_until) == (5_000_000, NOW + timedelta(hours=23))
    dated = money(Basis.SPOT_INSTANCE_HOUR, 8_000_000, since=NOW, until=until)
    model.hear(heard(dated, target="spot"), "files")
    (price,) = [p for p in model.estate.stock.all("price") if isinstance(p, Price)]
    assert (price.amount, price.valid_until) == (1_000_000, until)


@pytest.mark.parametrize(
    ("price", "why"),
    [
        (money(Basis.SPOT_INSTANCE_HOUR, 1), "no offer has the alias provider-id `aws/eu-central-1a/p5.48xlarge`"),
        (money(Basis.KILOWATT_HOUR, 90_000, "EUR"), "its currency is EUR; write `micro_usd: {EUR: …}`"),
        (money(Basis.KILOWATT_HOUR, -5), "it costs less than nothing"),
        (Quota(Mention(MentionKind.OFFER, "x/y", "gcp"), 8, 0, "gpu", SAID), "no offer has the alias"),
        (Notice(Mention(MentionKind.PROVIDER_ID, "i-1", "aws"), "terminate", NOW, SAID), "no node is that instance"),
    ],
)
def test_money_that_does_not_fit_stays_a_claim_with_the_reason(price: Fact, why: str) -> None:
    model = Model()
    model.hear(heard(price, target="spot"), "files")
    assert why in model.source("files.spot").examples[0]
    assert not list(model.estate.stock.all("price"))


def test_another_currency_counts_at_the_rate_that_was_written() -> None:
    model = Model()
    price = money(Basis.KILOWATT_HOUR, 100_000, "EUR", since=NOW, until=NOW + timedelta(hours=1))
    past = money(Basis.KILOWATT_HOUR, 1, "EUR", since=NOW - timedelta(hours=1), until=NOW)
    model.hear(heard(price, past, target="grid", micro_usd={"EUR": 1_100_000}, site="eu-de"), "files")
    (found,) = [p for p in model.estate.stock.all("price") if isinstance(p, Price)]
    assert (found.amount, found.site) == (110_000, "eu-de")


def test_a_quota_and_a_notice_complete_the_offer_that_an_estate_file_declares() -> None:
    model = Model(offer(quota=None, rented=None, notices=[], spot=True), provider_id="aws:///eu-central-1a/i-1")
    subject = Mention(MentionKind.OFFER, "eu-central-1a/p5.48xlarge", "aws")
    notice = Notice(Mention(MentionKind.PROVIDER_ID, "i-1", "aws"), "terminate", NOW, SAID)
    model.hear(heard(Quota(subject, 16, 4, "gpu", SAID), notice, target="aws"), "files")
    (found,) = [o for o in model.estate.stock.all("offer") if isinstance(o, Offer)]
    assert (found.quota, found.rented, [n.node for n in found.notices]) == (16, 4, ["eu-a1"])
    assert not model.conflicts


@given(st.lists(st.text(max_size=200), min_size=1, max_size=3), st.lists(st.text(max_size=200), min_size=1, max_size=3))
def test_two_names_have_one_slug_only_if_they_are_one(one: list[str], other: list[str]) -> None:
    assert (slug(*one) == slug(*other)) == (".".join(one) == ".".join(other))
    assert building.item("part", id=slug(*one), of="node/x")
