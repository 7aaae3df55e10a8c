"""The shape of a clock. The estate has none; whoever acts is given one, so that tests can turn it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

type Clock = Callable[[], datetime]
"""Gives the aware UTC time now."""

type Entropy = Callable[[int], bytes]
"""Gives that many unpredictable bytes (`secrets.token_bytes`)."""
