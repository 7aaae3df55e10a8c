"""LangGraph's own suite for savers, all eight capabilities, on every shelf."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from agents.checkpoints.port import Shelf
from agents.checkpoints.savers import PlacetSaver


async def test_the_saver_conforms_in_every_capability(shelf: Shelf):
    @checkpointer_test(name=f"placet-{type(shelf).__name__}")
    async def saver() -> AsyncGenerator[PlacetSaver]:
        yield PlacetSaver(shelf, keep=None)

    report = await validate(saver)
    failures = {name: result.failures for name, result in report.results.items() if not result.passed}
    assert failures == {}
    assert set(report.results) == {capability.value for capability in Capability}
    assert sum(result.tests_passed for result in report.results.values()) > 60
