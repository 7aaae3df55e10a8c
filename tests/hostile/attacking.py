"""Many campaigns in a row under hypothesis, each round with a seed of its own, until enough proposals were judged."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.hostile.campaigns import Campaign
from tests.hostile.tallying import Tally

CAMPAIGNS = 40
"""Of one round: few enough that hypothesis, which repeats itself by and by, keeps finding new ones."""


def attacked(profile: str, proposals: int, first_seed: int = 0) -> Tally:
    """The tally of at least that many proposals. Raises AssertionError, shrunk, where two opinions differ."""
    tally, number = Tally(), first_seed
    with asyncio.Runner() as runner:
        while tally.judged < proposals:
            _round(profile, number, min(CAMPAIGNS, proposals - tally.judged), tally, runner)
            number += 1
    return tally


def _round(profile: str, number: int, most: int, tally: Tally, runner: asyncio.Runner) -> None:
    @seed(number)
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(st.data())
    def campaign(data: st.DataObject) -> None:
        runner.run(Campaign(data, profile, tally).fight())

    campaign()
