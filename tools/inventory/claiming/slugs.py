"""An id out of names that somebody else gave: readable where it may be, and never the same for two. Pure."""

from __future__ import annotations

import re

from estate import canonical

_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 128
_FIGURES = 8


def slug(*names: str) -> str:
    """The names in lower case with dots between them; what had to be changed or cut is told apart by a digest."""
    written = ".".join(names)
    plain = ".".join(_OTHER.sub("-", name.lower()).strip("-") or "x" for name in names)
    if plain == written and len(plain) <= _LONGEST:
        return plain
    figures = canonical.digest(written.encode("utf-8", "surrogatepass")).removeprefix("sha256:")[:_FIGURES]
    return f"{plain[: _LONGEST - _FIGURES - 1].rstrip('.-')}.{figures}"
