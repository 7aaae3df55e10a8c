"""A picture of what the demo printed: one SVG an act, with no font or anything else fetched from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

_FETCHED_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
FORMAT = _FETCHED_FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "ui-monospace, Menlo, Consolas, monospace")


def save(console: Console, file: Path, title: str) -> None:
    """Write what was printed since the last picture. The console must be recording."""
    console.save_svg(str(file), title=title, clear=True, code_format=FORMAT)
