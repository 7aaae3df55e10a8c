"""Words that look like other words: Latin letters mixed with letters of scripts that are drawn alike.

Called by the gate on what a proposal says of itself, before people read it. What a proposal *does* they read off the
diff, whose names are ASCII. Whole words in any script are fine; so are words of several scripts that nobody confuses.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ALIKE: Final = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
_STYLED: Final = ("MATHEMATICAL", "FULLWIDTH", "CIRCLED", "SQUARED", "PARENTHESIZED")
_WORD: Final = re.compile(r"\w+")


def fault(text: str) -> str | None:
    """The first word that a person could take for another, and why; or None."""
    if text.isascii():
        return None
    for word in _WORD.findall(text):
        names = [unicodedata.name(c, "") for c in word]
        alike = next((s for s in _ALIKE if any(n.startswith(s) for n in names)), None)
        if alike is not None and any(n.startswith("LATIN") for n in names):
            return f"`{word}` mixes Latin letters with {alike.capitalize()} ones; write it in one script"
        if any(n.startswith(_STYLED) for n in names):
            return f"`{word}` is written in letters of another style; write plain ones"
    return None
