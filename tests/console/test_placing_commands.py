"""What people ask the placement engine at the prompt, of files; of a running system in `test_views_at_the_door`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from console.cli import planning
from console.cli.commands import app
from tests import builders
from tests.placement import test_bursting as bursting
from tools.inventory import writing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small estate, in which one replica of a new workload waits."""
    made = tmp_path_factory.mktemp("estate")
    waits = builders.workload("a-wait", replicas=1, contract=builders.contract(9))
    world = builders.world(workloads=(*builders.default_workloads(), waits))
    (made / "facts.yaml").write_text(writing.text(builders.facts(), ""))
    (made / "world.yaml").write_text(writing.text(world, ""))
    return made


def said(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--estate", str(folder)])


def read(folder: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(folder, *arguments, "-o", "json").stdout)
    return found


def test_assurance_lists_what_has_no_second_home_and_exits_with_one(folder: Path) -> None:
    told = said(folder, "assurance")
    assert (told.exit_code, "a-serve" in told.stdout, "site/eu-de" in told.stdout) == (1, True, True)
    near = said(folder, "assurance", "--loss", "node", "--loss", "rack")
    assert (near.exit_code, near.stdout) == (0, "")
    assert "1 of 1 promised workloads outlive each single loss (4 × rack, 16 × node)" in near.stderr
    assert read(folder, "assurance", "--loss", "node")["losses"] == {"node": 16}


def test_what_if_tells_what_would_move_and_exits_by_whether_anybody_suffers(folder: Path) -> None:
    well = said(folder, "what-if", "--lose", "rack/eu-a", "--add", "2xeu-b1", "--grow", "a-serve=3")
    assert (well.exit_code, "moved:" in well.stderr) == (0, True)
    ill = said(folder, "what-if", "--lose", "provider/eu-hosting", "--budget", "us-a=1000", "--quota", "tenant-c=4")
    assert ill.exit_code == 1
    assert all(f"{part}:" in ill.stderr for part in ("homeless", "unpowered", "over quota"))
    scoped = said(folder, "what-if", "--quota", "tenant-c@us-east=4", "--quota", "tenant-c@/H100-SXM5-80GB=8")
    assert (scoped.exit_code, "over quota:" in scoped.stderr, "us-east/any" in scoped.stdout) == (1, True, True)
    assert read(folder, "what-if", "--move", "a-serve=rack/eu-b")["moved"][0]["target"][:4] == "eu-b"
    law = folder / "other.yaml"
    tenants = [t.json_form() | {"residency": builders.residency("US").json_form()} for t in builders.facts().tenants]
    law.write_text(yaml.safe_dump(builders.facts().json_form() | {"tenants": tenants, "datasets": []}))
    found = read(folder, "what-if", "--facts", str(law))
    assert {u["workload"] for u in found["unlawful"]} == {"a-serve", "b-train"}
    law.unlink()


def test_why_and_place_tell_a_home_or_what_stands_in_the_way(folder: Path) -> None:
    told = said(folder, "why", "a-wait")
    assert (told.exit_code, "accelerator model" in told.stdout) == (1, True)
    assert "it would fit if you ask for 8 instead of 9 accelerators in each replica" in told.stderr
    plain = said(folder, "why", "a-wait", "--plainly", "--nodes")
    assert "eu-" not in plain.stdout + plain.stderr
    each = said(folder, "why", "a-wait", "--nodes").stdout
    assert "eu-a1" in each
    assert "us-b4" in each
    told_of = read(folder, "why", "a-wait")
    assert {m["node"] for m in told_of["by_node"] if m["constraint"] == "accelerator model"} >= {"eu-a1", "eu-b4"}
    assert read(folder, "why", "a-wait", "--plainly")["by_node"] == []
    seat = said(folder, "place", "a-serve", "--replica", "0", "--avoid", "eu-a1")
    assert (seat.exit_code, "runner-up" in seat.stderr) == (0, True)
    assert read(folder, "place", "a-wait")["fits"] is False


def test_an_offer_is_made_from_options_or_a_file(folder: Path) -> None:
    asked = folder / "request.yml"
    asked.write_text("tenant: tenant-a\naccelerators: 8\nreplicas: 2\noutlives: [node]\n")
    assert read(folder, "offer", "-f", str(asked))["grade"] == "guaranteed"
    asked.unlink()
    less = said(folder, "offer", "--tenant", "tenant-a", "--accelerators", "9")
    assert (less.exit_code, "instead: ask for 8 instead of 9" in less.stderr) == (1, True)
    part = said(folder, "offer", "--tenant", "tenant-a", "--accelerators", "1", "--need", "share=300")
    assert (part.exit_code, "instead: accept accelerators" in part.stderr) == (1, True)


def test_the_report_books_everything(folder: Path) -> None:
    assert sum(read(folder, "report")["booked"].values()) == 128
    assert read(folder, "report")["worth"] is None
    worth = said(folder, "report", "--worth")
    assert "20 accelerators at work, 9 waited for; proved to be at most 20 while nothing is moved" in worth.stderr
    picture = folder / "racks.svg"
    told = said(folder, "report", "--site", "eu-de", "--svg", str(picture))
    assert (told.exit_code, "useful" in told.stdout, "64 accelerators" in told.stderr) == (0, True, True)
    assert "eu-de" in told.stdout
    assert "us-east" not in picture.read_text()
    picture.unlink()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("assurance", "--loss", "comet"), "losses.0"),
        (("what-if",), "suppose something"),
        (("what-if", "--lose", "eu-a"), "is not a reference"),
        (("what-if", "--grow", "a-serve"), "--grow: `a-serve` is not `name=number`"),
        (("what-if", "--add", "eu-a1"), "--add: `eu-a1` is not `COUNTxNODE`"),
        (("what-if", "--move", "a-serve=moon/x"), "--move: `a-serve=moon/x`"),
        (("what-if", "--facts", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("why", "ghost"), "no workload `ghost`"),
        (("offer", "--accelerators", "8"), "name `--tenant` and `--accelerators`"),
        (("offer", "--tenant", "tenant-a", "--accelerators", "-8"), "request.accelerators"),
        (("offer", "--tenant", "tenant-a", "--accelerators", "8", "--bandwidth", "near"), "request.bandwidth"),
        (("offer", "--tenant", "tenant-a", "--accelerators", "1", "--need", "cpu=3"), "`cpu=3`: write one of share"),
        (("offer", "--tenant", "tenant-a", "--accelerators", "2", "--need", "share=300"), "share: a part of one"),
    ],
)
def test_bad_input_names_the_field_and_what_to_do(folder: Path, arguments: tuple[str, ...], complaint: str) -> None:
    told = said(folder, *arguments)
    words = told.stderr if told.exit_code == 2 and told.stderr else str(told.exception)
    assert told.exit_code != 0
    assert complaint in " ".join(words.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("burst", "much"), "ceiling: `much` is no amount of dollars; write `37.50`"),
        (("burst", "-3"), "ceiling: `-3` is less than nothing"),
        (("fill", "eu-de", "--takes", "a-serve"), "takes: `a-serve` states no time; write `WORKLOAD=MINUTES`"),
    ],
)
def test_a_plan_that_is_asked_for_wrongly_names_the_field(arguments: tuple[str, ...], says: str) -> None:
    asked = [arguments[0], "--", *arguments[1:]] if arguments[1] == "-3" else list(arguments)
    told = CliRunner().invoke(app, ["plan", *asked])
    assert says in (told.stderr or str(told.exception))


def test_a_plan_to_rent_says_in_words_what_to_ask_of_whom_and_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    found = bursting.planned(
        bursting.estate(bursting.offer("bad", site=None), bursting.offer("good"), workloads=[bursting.wants("a-one")]),
        50,
    )
    planning._tell(found)
    told = capsys.readouterr().err
    assert "rent 1 × good of eu-hosting at eu-de, 16.00 USD an hour: have 1 machines of 8 × H100-SXM5-80GB made" in told
    assert "in all 16.00 USD an hour; no less than 16.00" in told
    assert "not bad: no fact knows its site" in told
