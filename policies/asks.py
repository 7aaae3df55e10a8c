"""Requests to the law: an action on a thing, with the small typed context that may be read of it.

Made by `context` and `levels`, answered by `bundle`, put into words by `words`. Pure data; the canonical form is what
the digest in verdict and warrant names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from estate import canonical
from estate.canonical import Json
from estate.ids import Digest, TenantId

type Context = dict[str, Json]

_NAMED_WHOLE: Final = frozenset({"Group", "Supply"})
"""What is several kinds of things: their ids say which, e.g. `feed/eu-a`."""

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Between two words of a kind."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to the law: an action on a thing, with what may be read of it."""

    action: str
    kind: str
    id: str
    context: Context
    tenant: TenantId | None = None
    step: int | None = None

    @property
    def about(self) -> str:
        """The thing as people write it, e.g. `rack/eu-b`."""
        return self.id if self.kind in _NAMED_WHOLE else f"{_WORD.sub('-', self.kind).lower()}/{self.id}"

    def request(self, principal: str) -> dict[str, Any]:
        """The form that Cedar takes."""
        return {
            "principal": {"type": "Actor", "id": principal},
            "action": {"type": "Action", "id": self.action},
            "resource": {"type": self.kind, "id": self.id},
            "context": self.context,
        }

    def form(self) -> Json:
        """The form that is digested."""
        return [self.action, self.kind, self.id, self.step, self.context]


@dataclass(frozen=True, slots=True)
class ReadSet:
    """Every request of one decision, in order."""

    principal: str
    asks: tuple[Ask, ...]

    @property
    def digest(self) -> Digest:
        """The digest of the canonical form."""
        return canonical.digest_of(self.form())

    def form(self) -> Json:
        """The form that is digested, and kept beside the verdict."""
        return [self.principal, [a.form() for a in self.asks]]


def names(items: Iterable[str]) -> list[Json]:
    """A set of names as Cedar takes one."""
    return [*sorted(set(items))]
