"""A pytest plugin: a real Prometheus and exporters of ours that it scrapes, for tests marked `prometheus`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.asking.exporters import Exporter, exporting
from tools.prometheus.launching import Prometheus, Target, prometheus


@pytest.fixture
async def exporter() -> AsyncIterator[Exporter]:
    """An exporter whose text a test writes."""
    async with exporting() as made:
        yield made


@pytest.fixture
async def prometheus_server(exporter: Exporter) -> AsyncIterator[Prometheus]:
    """A server that scrapes the exporter. Mark the test with `@pytest.mark.prometheus`."""
    async with prometheus([Target(exporter.address, {"instance": "gpu-7:9400"})]) as server:
        yield server
