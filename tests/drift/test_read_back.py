"""Properties on a real API server: what was written and read back has not drifted, whatever the server made of it; a
single field that somebody else flips is found, by that name and by no other.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from estate.drifts import Drift
from tests.drift import templates
from tests.drift.benches import Bench, bench
from tools.controlplane.launching import ControlPlane
from tools.drift import desires, objects, paths
from tools.drift.objects import Setting
from tools.kubernetes.connecting import APPLY, MERGE, Object

pytestmark = pytest.mark.kubernetes

_numbers = itertools.count(1)
PLAIN = settings(
    max_examples=20,
    phases=[Phase.generate],  # to shrink an example is many requests, and the first one says enough
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@pytest.fixture
def on_a_bench(control_plane: ControlPlane) -> Callable[[Callable[[Bench], Coroutine[Any, Any, None]]], None]:
    """Runs a check on a bench and a loop of its own: hypothesis calls synchronous functions."""

    def run(check: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            number = next(_numbers)
            async with bench(control_plane, lambda stem: f"{stem}-back-{number}") as made:
                await check(made)

        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(whole())
        finally:
            loop.close()

    return run


type OnABench = Callable[[Callable[[Bench], Coroutine[Any, Any, None]]], None]


async def written(bench: Bench, body: Object, name: str, how: str) -> Object:
    """The object as the server has it once it was written by kubectl, by an applier, or by Placet's hands."""
    body = body | {"metadata": body["metadata"] | {"name": name}}
    if how == "kubectl":
        return await bench.kubectl(body)
    manager = "argocd-controller"
    path = bench.path(body["kind"], name)
    return await bench.world.connection.request("PATCH", path, {"fieldManager": manager}, body, content_type=APPLY)


def drifts(bench: Bench, setting: Setting, found: Object, body: Object) -> tuple[Drift, ...]:
    """By what the object remembers and by what was declared."""
    return objects.drifts(found, setting, [desires.declared(body)])


def test_what_was_written_and_read_back_has_not_drifted(on_a_bench: OnABench) -> None:
    """The table of defaults is held against the server's own defaulting here."""

    async def check(made: Bench) -> None:
        setting, loop, names = made.setting, asyncio.get_running_loop(), itertools.count()

        @PLAIN
        @given(templates.objects(), st.sampled_from(["kubectl", "applier"]))
        def holds(body: Object, how: str) -> None:
            done = asyncio.run_coroutine_threadsafe(written(made, body, f"n{next(names)}", how), loop)
            assert [d.told() for d in drifts(made, setting, done.result(30), body)] == []

        await asyncio.to_thread(holds)

    on_a_bench(check)


def test_a_single_field_that_somebody_else_flips_is_found_with_the_name(on_a_bench: OnABench) -> None:
    async def check(made: Bench) -> None:
        setting, loop, names = made.setting, asyncio.get_running_loop(), itertools.count()

        async def flipped(body: Object, patch: Object, manager: str) -> Object:
            name = f"n{next(names)}"
            await written(made, body, name, "kubectl")
            return await made.world.connection.request(
                "PATCH", made.path(body["kind"], name), {"fieldManager": manager}, patch, content_type=MERGE
            )

        @PLAIN
        @given(templates.flips(), st.sampled_from(["kubectl-edit", "somebody", "k9s", "python-requests"]))
        def holds(flip: templates.Flip, manager: str) -> None:
            found = asyncio.run_coroutine_threadsafe(flipped(flip.body, flip.patch, manager), loop).result(30)
            told = [d for d in drifts(made, setting, found, flip.body) if d.basis == "kubectl"]
            assert [(d.path, d.by.manager if d.by else None) for d in told] == [(paths.written(flip.path), manager)]

        await asyncio.to_thread(holds)

    on_a_bench(check)
