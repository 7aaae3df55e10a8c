"""The streams of an installation: every subject has exactly one home, and every limit is explicit."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.ids import ClusterId, InstallationId
from estate.proposals import Lane
from estate.subjects import Subjects
from tests.drawing import among
from tools.bus import streams
from tools.bus.genuineness import forged, matches
from tools.bus.nats import NatsBus
from tools.bus.port import StreamSpec

SUBJECTS = Subjects(InstallationId("home"))
HOMES = {
    streams.INTAKE: [SUBJECTS.intake("alerts", "alertmanager"), SUBJECTS.intake("front-door", "proposal")],
    streams.INTAKE_DEVICE: [SUBJECTS.intake("node-agents", "kernel"), SUBJECTS.intake("node-agents", "nvsentinel")],
    streams.EVENTS_CONTAINMENT: [SUBJECTS.event(Lane.CONTAINMENT, "eu-de", "accelerator.failed")],
    streams.EVENTS_CASE: [SUBJECTS.event(Lane.CASE, "eu-de", "accelerator.failed")],
    streams.CASES: [SUBJECTS.case("eu-de", "opened")],
    streams.PROPOSALS_CONTAINMENT: [SUBJECTS.proposal(Lane.CONTAINMENT, "eu-de", "agent")],
    streams.PROPOSALS_CASE: [SUBJECTS.proposal(Lane.CASE, "eu-de", "agent")],
    streams.APPROVALS: [SUBJECTS.approval("eu-de")],
    streams.VERDICTS: [SUBJECTS.verdict("eu-de", "permit")],
    streams.OUTCOMES: [SUBJECTS.outcome("eu-de", "verified")],
    streams.NOTICES: [SUBJECTS.notice("eu-de", "begins")],
    streams.WARRANTS_CONTAINMENT: [
        SUBJECTS.warrant(Lane.CONTAINMENT, "twin"),
        SUBJECTS.warrant(Lane.CONTAINMENT, "twin", ClusterId("eu-1")),
    ],
    streams.WARRANTS_CASE: [SUBJECTS.warrant(Lane.CASE, "twin")],
    streams.DELTAS: [SUBJECTS.delta()],
    streams.TELEMETRY: [SUBJECTS.telemetry()],
    streams.CONTROLS: [SUBJECTS.control(kind) for kind in ("freeze", "mode", "enrolment")],
    streams.DEAD: [SUBJECTS.dead_letter("INTAKE", "intake")],
}
UNSTORED = {"command", "progress"}
PATTERNS = {"intakes", "intake_of", "events", "warrants"}


def test_every_durable_subject_has_exactly_one_stream():
    declared = {spec.name: spec.subjects for spec in streams.streams(SUBJECTS)}
    assert declared.keys() == HOMES.keys()
    for home, published in HOMES.items():
        for subject in published:
            assert [n for n, stored in declared.items() if any(matches(p, subject) for p in stored)] == [home]


def test_no_subject_of_the_estate_is_forgotten_here():
    known = {name for name, member in inspect.getmembers(Subjects, inspect.isfunction) if not name.startswith("_")}
    decided = {"proposal", "verdict", "approval", "warrant", "outcome", "notice", "control"}
    spoken = {"intake", "event", "case", "delta", "telemetry"} | decided
    assert known - UNSTORED - PATTERNS - {"dead_letter"} == spoken


def test_only_deltas_and_telemetry_may_be_forgotten_and_work_is_a_work_queue():
    specs = streams.streams(SUBJECTS)
    assert [spec.name for spec in specs if spec.discard_old] == [streams.DELTAS, streams.TELEMETRY]
    work = {spec.name for spec in specs if spec.work_queue}
    assert work == {
        name for name in HOMES if name.split("_")[0] in {"INTAKE", "CASES", "PROPOSALS", "APPROVALS", "WARRANTS"}
    }
    assert all(spec.max_messages > 0 and spec.max_bytes > 0 for spec in specs)
    assert {streams.events(lane) for lane in Lane} <= {spec.name for spec in specs} - work
    assert {streams.proposals(lane) for lane in Lane} | {streams.warrants(lane) for lane in Lane} <= work


@pytest.mark.nats
async def test_a_real_server_takes_all_of_them_twice_and_a_changed_limit(nats_bus: NatsBus, subjects: Subjects):
    await nats_bus.declare(*streams.streams(subjects))
    await nats_bus.declare(*streams.streams(subjects))
    deltas = next(spec for spec in streams.streams(subjects) if spec.name == streams.DELTAS)
    await nats_bus.declare(replace(deltas, max_messages=7))
    found = await nats_bus._wire.api(f"STREAM.INFO.{subjects.installation}_DELTAS")
    assert (found["config"]["max_msgs"], found["config"]["allow_direct"]) == (7, False)


_tokens = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)


@given(_tokens, st.data())
def test_a_pattern_made_from_a_subject_matches_it(tokens: list[str], data: st.DataObject):
    pattern = [data.draw(among([token, "*"])) for token in tokens]
    assert matches(".".join(pattern), ".".join(tokens))
    cut = data.draw(st.integers(0, len(tokens) - 1))
    assert matches(".".join([*pattern[:cut], ">"]), ".".join(tokens))
    assert not matches(".".join([*tokens, ">"]), ".".join(tokens))
    assert not matches(".".join([*tokens, "*"]), ".".join(tokens))
    assert not matches("x." + ".".join(tokens[1:] or ["x"]), ".".join(tokens))


def test_only_what_a_bus_published_here_is_genuine():
    stored = ("a.*",)
    assert forged("a.b", {"Nats-Msg-Id": "1"}, stored) is None
    assert forged("a.b", {}, stored, needs_id=False) is None
    assert "no message id" in str(forged("a.b", {}, stored))
    assert "does not belong" in str(forged("b.b", {"Nats-Msg-Id": "1"}, stored))
    assert "copied" in str(forged("a.b", {"Nats-Msg-Id": "1", "nats-stream": "X"}, stored))


@pytest.mark.nats
async def test_a_message_costs_its_follower_one_request(
    nats_bus: NatsBus, connect_nats: Callable[[], Awaitable[NatsBus]], subjects: Subjects
):
    """Every process follows every delta: a second question, whether there is more, would be half of all traffic."""
    await nats_bus.declare(StreamSpec("DELTAS", (subjects.delta(),), work_queue=False))
    reader = await connect_nats()
    async with aclosing(reader.follow("DELTAS")) as found:
        await nats_bus.publish(subjects.delta(), b"0", message_id="m0")
        assert (await anext(found)).data == b"0"
        before = reader._wire.client.stats["out_msgs"]
        for number in range(1, 31):
            await nats_bus.publish(subjects.delta(), str(number).encode(), message_id=f"m{number}")
            assert (await anext(found)).data == str(number).encode()
        assert reader._wire.client.stats["out_msgs"] - before < 45
