"""Which rules people have signed into force, by whom, and until when. What nobody signed decides nothing.

Held by `controls`, which verifies signatures and standing first; read by `standing` for every decision, at the gate and
at each executor. Refused here: the word of anybody but an administrator or a policy author, of a process, and one that
lasts longer than a year: a law that nobody looks at again is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from estate.errors import Denied
from estate.identities import Enrolment, Role, SubjectKind
from estate.ids import Digest
from estate.ratifications import Ratification
from estate.records import write_time
from policies.questions import Ratified

LONGEST: Final = timedelta(days=366)
_RATIFIERS: Final = frozenset({Role.ADMINISTRATOR, Role.POLICY_AUTHOR})
_HOW: Final = "have it read and signed: `placet policy sign`"


def check(word: Ratification, signer: Enrolment) -> None:
    """Refuse what may not take effect. Raises Denied."""
    if signer.subject.kind is not SubjectKind.HUMAN or _RATIFIERS.isdisjoint(signer.roles):
        raise Denied(f"`{signer.subject}` may put no rules in force; an administrator or a policy author may")
    if not word.revoked and word.valid_until <= word.at:
        raise Denied(f"the signature ended at {write_time(word.valid_until)}; give it a time to come")
    if word.valid_until - word.at > LONGEST:
        raise Denied(f"rules are signed for {LONGEST.days} days at most; then they are read and signed again")


@dataclass(slots=True)
class Ratifications:
    """The newest word on each bundle."""

    _words: dict[Digest, Ratification] = field(default_factory=dict)

    def take(self, word: Ratification) -> None:
        """Let a checked word take effect; one older than what stands for a bundle changes nothing there."""
        for bundle in word.bundles:
            held = self._words.get(bundle)
            if held is None or (held.at, held.revoked) <= (word.at, word.revoked):
                self._words[bundle] = word

    def of(self, bundle: Digest) -> Ratification | None:
        """The newest word on it."""
        return self._words.get(bundle)

    def ratified(self, bundle: Digest, now: datetime) -> Ratified:
        """Whether these rules may decide at `now`, and who wrote them."""
        word = self._words.get(bundle)
        if word is None:
            return Ratified(f"nobody signed `{bundle}`; {_HOW}")
        author = word.author.name if word.author is not None else ""
        if word.revoked:
            return Ratified(f"`{word.by}` took the signature under `{bundle}` back; {_HOW}", author)
        if now >= word.valid_until:
            return Ratified(f"the signature under `{bundle}` ended at {write_time(word.valid_until)}; {_HOW}", author)
        return Ratified("", author)
