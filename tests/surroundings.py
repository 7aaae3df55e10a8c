"""The environment that a test gives a program it starts: this one's, without what would change what it prints."""

from __future__ import annotations

import os


def plain() -> dict[str, str]:
    """Without Placet's own settings, and without the width that pytest-xdist sets for its workers."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PLACET_") and k not in {"COLUMNS", "LINES"}}
