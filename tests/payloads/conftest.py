"""Where payloads that others wrote may lie, and how every test parses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.payloads.formats import FORMATS
from tools.payloads.parsed import Parsed

CASES = Path(__file__).parents[3] / "shared" / "cases"

type Parse = Callable[..., Parsed]


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of real payloads; tests that read it run only where it is."""
    if not CASES.is_dir():
        pytest.skip("no ../shared/cases beside this repository: real payloads of others are not shipped with it")
    return CASES


@pytest.fixture(scope="session")
def parse() -> Parse:
    """Parse a body of one format; anything that is not bytes is sent as JSON."""

    def parsed(format: str, body: object, headers: dict[str, str] | None = None) -> Parsed:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return FORMATS[format](raw, headers or {})

    return parsed
