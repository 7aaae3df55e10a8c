"""A broken estate, configuration or proposal file, through the real command line: one line that says what to mend.

Exit code 2, nothing on stdout, and on stderr the file, the field and the remedy.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.demo import estate
from tests.system.composed import cli, founded

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("system-2")]

CHANGE = """\
kind: placet.change-file
v: 1
summary: cap one node
changes:
  - kind: SetPowerCap
    node: eu-b1
    watts: 6000
"""
CONFIG = """\
apiVersion: placet.dev/v1
kind: Config
mode: approve
http:
  port: 8090
"""


def facts(edit: Callable[[dict[str, Any]], object]) -> str:
    """The sample facts, spoiled."""
    form = estate.facts(datetime(2027, 1, 1, tzinfo=UTC)).json_form()
    edit(form)
    return json.dumps(form)  # which is YAML, written in a hundredth of the time


def world(edit: Callable[[dict[str, Any]], object]) -> str:
    """The sample world, spoiled."""
    form = estate.world().json_form()
    edit(form)
    return json.dumps(form)  # which is YAML, written in a hundredth of the time


@dataclass(frozen=True, slots=True)
class Broken:
    """A file, the command that reads it (FILE stands for its path), and what the error must name."""

    command: tuple[str, ...]
    text: str
    says: tuple[str, ...]


CASES: dict[str, Broken] = {
    "configuration: an unknown field": Broken(
        ("--config", "FILE", "config", "view"), f"{CONFIG}colour: blue\n", ("FILE", "colour", "placet schema config")
    ),
    "configuration: a wrong type": Broken(
        ("--config", "FILE", "config", "view"), CONFIG.replace("8090", "soon"), ("FILE", "http.port", "integer")
    ),
    "configuration: no such mode": Broken(
        ("--config", "FILE", "config", "view"), CONFIG.replace("approve", "yolo"), ("FILE", "mode", "'automatic'")
    ),
    "configuration: no YAML": Broken(("--config", "FILE", "config", "view"), "mode: [", ("FILE", "correct the file")),
    "configuration: a list": Broken(("--config", "FILE", "config", "view"), "- a\n", ("FILE", "placet schema config")),
    "configuration: an unknown store": Broken(
        ("--config", "FILE", "config", "view"), f"{CONFIG}ledger: mysql://x\n", ("FILE", "ledger", "`mysql://x`")
    ),
    "facts: a field missing": Broken(
        ("init", "--facts", "FILE"), facts(lambda f: f.pop("author")), ("FILE", "author", "add this field")
    ),
    "facts: a site that does not exist": Broken(
        ("init", "--facts", "FILE"), facts(lambda f: f["racks"][0].update(site="atlantis")), ("FILE", "atlantis")
    ),
    "facts: an unknown field within": Broken(
        ("init", "--facts", "FILE"),
        facts(lambda f: f["tenants"][1].update(colour="blue")),
        ("FILE", "tenants.1.colour", "remove the field"),
    ),
    "facts: another kind": Broken(("init", "--facts", "FILE"), CHANGE, ("FILE", "kind", "`placet.facts`")),
    "world: a negative number": Broken(
        ("init", "--world", "FILE"),
        world(lambda w: w["nodes"][0].update(idle_watts=-1)),
        ("FILE", "nodes.0.idle_watts"),
    ),
    "world: one thing twice": Broken(
        ("init", "--world", "FILE"),
        world(lambda w: w["nodes"].append(copy.deepcopy(w["nodes"][0]))),
        ("FILE", "eu-a1", "keep one"),
    ),
    "proposal: no such change": Broken(
        ("propose", "-f", "FILE"),
        CHANGE.replace("SetPowerCap", "Explode"),
        ("FILE", "changes.0", "'Explode'", "'SetPowerCap'"),
    ),
    "proposal: a field missing": Broken(
        ("propose", "-f", "FILE"), CHANGE.replace("    node: eu-b1\n", ""), ("FILE", "node", "add this field")
    ),
    "proposal: text for a number": Broken(
        ("propose", "-f", "FILE"), CHANGE.replace("6000", "lots"), ("FILE", "watts", "`lots`", "write an integer")
    ),
    "proposal: nothing to change": Broken(
        ("propose", "-f", "FILE"),
        CHANGE.partition("changes:")[0] + "changes: []\n",
        ("FILE", "changes", "at least one"),
    ),
    "proposal: a later version": Broken(("propose", "-f", "FILE"), CHANGE.replace("v: 1", "v: 2"), ("FILE", "upgrade")),
    "proposal: invisible characters": Broken(
        ("propose", "-f", "FILE"), CHANGE.replace("one node", "one\u202enode"), ("FILE", "summary")
    ),
    "proposal: an alias": Broken(
        ("propose", "-f", "FILE"), CHANGE.replace("cap one node", "&a cap"), ("FILE", ":3:", "anchors")
    ),
    "proposal: binary": Broken(("propose", "-f", "FILE"), "\x00\x01\x02", ("FILE",)),
    "proposal: empty": Broken(("propose", "-f", "FILE"), "", ("FILE", "placet.change-file")),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_error_names_file_field_and_remedy(case: str, tmp_path: Path) -> None:
    broken, file = CASES[case], tmp_path / "broken.yaml"
    file.write_text(broken.text)
    arguments = [str(file) if a == "FILE" else a for a in broken.command]
    code, out, err = await cli("--state-dir", str(tmp_path / "state"), *arguments)
    assert out == ""
    assert err.startswith("placet: ")
    assert err.count("\n") == 1, f"one line: {err}"
    assert "Traceback" not in err
    assert [w for w in broken.says if w.replace("FILE", str(file)) not in err] == [], err
    assert code == (1 if "upgrade" in broken.says else 2)


@pytest.mark.parametrize(
    ("command", "named"),
    [(("--config", "FILE", "config", "view"), "placet init"), (("propose", "-f", "FILE"), "check the name")],
)
async def test_a_file_that_is_not_there_is_named_with_a_remedy(
    command: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing.yaml")
    code, out, err = await cli(*(missing if a == "FILE" else a for a in command))
    assert (code, out) == (2, "")
    assert missing in err
    assert named in err
    assert err.count("\n") == 1


async def test_forged_facts_stop_a_system_before_it_begins(tmp_path: Path) -> None:
    """Signed facts are a file too: what was altered after it was signed is refused at the start, by name."""
    state = founded(tmp_path / "state")
    envelope = json.loads(state.facts_path.read_bytes())
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = ("B" if signature[0] == "A" else "A") + signature[1:]
    state.facts_path.write_text(json.dumps(envelope))
    code, out, err = await cli("--state-dir", str(state.root), "run", "--http-port", "0")
    (line,) = [row for row in err.splitlines() if row.startswith("placet: ")]
    assert (code, out) == (3, "")
    assert str(state.facts_path) in line
    assert "altered" in line
    assert "placet init --facts" in line
    assert "Traceback" not in err
