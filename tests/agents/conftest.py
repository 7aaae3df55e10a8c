"""Fixtures of the tests of agents; what they are made of is in `tests.agents.staging`."""

from __future__ import annotations

import pytest

from tests import builders
from tests.agents.staging import Stage


@pytest.fixture
def stage() -> Stage:
    """An installation on the small estate."""
    return Stage(builders.estate())
