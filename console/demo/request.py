"""Act 2: somebody asks for something unlawful, is told why and what would be lawful, and asks for that."""

from __future__ import annotations

from typing import Any

from console.demo.stage import ADMINISTRATOR, Stage, called
from console.door.commands import Ask, Describe, Kind
from estate.verdicts import Dimension

UNLAWFUL = "move tenant-a's inference to us-east, it is cheaper there"
LAWFUL = "move tenant-a's inference to rack eu-d"
AXES = {Dimension.GEOGRAPHIC.value, Dimension.LEGAL.value, Dimension.OPERATIONAL.value}


async def play(stage: Stage) -> None:
    """The whole act. Raises CheckFailed where something does not happen."""
    stage.narrator.act(
        "Act 2 · a request",
        "Ada of tenant-a wants her bank's inference moved to the cheaper site. The law has a word in it.",
    )
    incident, state = await _asked(stage, UNLAWFUL)
    stage.narrator.check("the law forbids it", state == "forbidden", state)
    failures = await _failures(stage, incident)
    for failure in failures:
        said = f"{failure['dimension']}: needed {failure['needed']}, {failure['found']} ({failure['policy']}); "
        stage.narrator.says("describe", f"{said}{failure['remedy']}")
    named = {str(failure["dimension"]) for failure in failures}
    stage.narrator.check("every failed dimension is named, legal too", named == AXES, str(named))
    incident, state = await _asked(stage, LAWFUL)
    stage.narrator.check("the lawful variant is placed and done", state == "verified", state)
    await _all_in_rack(stage, "eu-d")
    await stage.prove(incident)


async def _asked(stage: Stage, text: str) -> tuple[str, str]:
    stage.narrator.says("ada", f"placet ask “{text}”")
    opened = (await stage.tell("ada", Ask(text=text))).result
    assert isinstance(opened, dict)
    row = await stage.ended(str(opened["incident"]))
    return str(row["name"]), str(row["state"])


async def _failures(stage: Stage, incident: str) -> list[dict[str, Any]]:
    described: Any = (await stage.tell(ADMINISTRATOR, Describe(what=Kind.INCIDENT, name=incident))).result
    return [dict(f) for f in described["failures"]]


async def _all_in_rack(stage: Stage, rack: str) -> None:
    now = await stage.scenery.look()
    workload = called("a-chat", now)
    racks = {str(now.rack_of(b.node)) for b in workload.bindings} if workload else set()
    stage.narrator.check(f"all of a-chat runs in {rack}", racks == {rack}, str(racks))
