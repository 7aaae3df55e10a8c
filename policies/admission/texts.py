"""Text inside CEL: literals, and the names of a cluster's nodes as a few long texts that are looked through in place.

An API server parses no expression above 100 000 characters, so names come in several; and it stops an expression whose
cost passes a limit, so more names than it looks through are refused here, when the policies are made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from estate.errors import BadInput

LONGEST: Final = 90_000
"""Characters of one text; an API server parses at most 100 000 as one expression."""
LARGEST: Final = 1_000_000
"""Characters of all of them; an object of the API may have 1.5 MB."""
COSTLIEST: Final = 1_000_000
"""What one expression may cost; looking for a name costs a tenth of both lengths, multiplied."""


def literal(text: str) -> str:
    """Any text as a CEL literal. JSON's escapes are CEL's too."""
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Names:
    """Names as CEL variables. Written one a line, so that a person can review them and a diff shows what changed."""

    variables: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """The variables that hold these names of nodes.

        Raises:
            BadInput: they are more than an API server looks through.
        """
        held = tuple(names)
        size, longest = sum(len(n) + 1 for n in held), max((len(n) for n in held), default=0)
        if size > LARGEST or size / 10 * (longest / 10 + 1) > COSTLIEST:
            raise BadInput(
                f"racks: {len(held)} node names of up to {longest} characters are more than an API server looks "
                "through at the door; give the nodes shorter names, or split the cluster"
            )
        return cls(tuple((f"nodes{i}", f"'''\n{text}\n'''") for i, text in enumerate(_texts(held))))

    def hold(self, name: str) -> str:
        """CEL: whether the CEL expression `name` is one of them."""
        found = (f"variables.{v}.contains('\\n' + {name} + '\\n')" for v, _ in self.variables)
        return f"({' || '.join(found)})" if self.variables else "false"

    def told(self, name: str) -> str:
        """CEL: what stands behind `name=` on its line; empty where there is no such line."""
        said = "''"
        for v, _ in reversed(self.variables):
            text, key = f"variables.{v}", f"'\\n' + {name} + '='"
            start = f"{text}.indexOf({key}) + size({name}) + 2"
            said = f"{text}.contains({key}) ? {text}.substring({start}, {text}.indexOf('\\n', {start})) : {said}"
        return f"({said})"


def _texts(names: tuple[str, ...]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for name in names:
        if part and size + len(name) + 1 > LONGEST:
            yield "\n".join(part)
            part, size = [], 0
        part.append(name)
        size += len(name) + 1
    if part:
        yield "\n".join(part)
