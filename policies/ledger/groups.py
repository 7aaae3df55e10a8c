"""Drafts that are committed together: what each becomes, and the rows to store for all of them.

Pure, and shared by the SQL ledgers. Within its transaction an adapter reads what these drafts depend on (`Before`),
and stores the rows. Each draft sees those before it: a key is taken, and a token counts, from the draft that brought
it on. A draft that is refused leaves nothing behind and takes no other with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Self

from policies.ledger import statements
from policies.ledger.merkle import Frontier
from policies.ledger.port import Appended, Draft
from policies.ledger.sequencing import Row, Sequenced, Sequencer, entry_made, entry_of
from policies.ledger.statements import Value

type Outcome = Appended | Exception
"""The entry, or why there is none."""


@dataclass(frozen=True, slots=True)
class Before:
    """What the ledger held of keys, logs and scopes that drafts name."""

    entries: Mapping[str, Row]
    frontiers: Mapping[str, Frontier]
    tokens: Mapping[str, int]

    @classmethod
    def read(
        cls, entries: Iterable[Sequence[Any]], logs: Iterable[Sequence[Any]], tokens: Iterable[Sequence[Any]]
    ) -> Self:
        """Off the records of `statements.read_by_keys`, `read_logs` and `read_fences`."""
        return cls(
            {record[-1]: statements.row_of(record) for record in entries},
            {origin: Frontier.read(size, bytes(peaks)) for origin, size, peaks in logs},
            {record[0]: record[1] for record in tokens},
        )


@dataclass(slots=True)
class Group:
    """What so many drafts become, in order."""

    sequencer: Sequencer
    before: Before
    outcomes: list[Outcome] = field(default_factory=list)
    _made: list[tuple[Draft, Sequence[Sequenced]]] = field(default_factory=list)
    _entries: dict[str, Appended] = field(default_factory=dict)
    _frontiers: dict[str, Frontier] = field(default_factory=dict)
    _tokens: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, drafts: Sequence[Draft], before: Before, sequencer: Sequencer) -> Group:
        """The group of these drafts."""
        group = cls(sequencer, before)
        for draft in drafts:
            try:
                group.outcomes.append(group._append(draft))
            except Exception as refusal:
                group.outcomes.append(refusal)
        return group

    def rows(self) -> Sequence[tuple[str, Sequence[tuple[Value, ...]]]]:
        """For each statement the rows to run it with."""
        return [(statement, rows) for statement, rows in self._rows() if rows]

    def _append(self, draft: Draft) -> Appended:
        if fence := draft.fence:
            statements.check_fence(fence, self._tokens.get(fence.scope, self.before.tokens.get(fence.scope)))
        found = self._known(draft.key) or self._new(draft)
        if fence:
            self._tokens[fence.scope] = fence.token
        return found

    def _known(self, key: str) -> Appended | None:
        if (made := self._entries.get(key)) is not None:
            return Appended(made.entry, created=False)
        row = self.before.entries.get(key)
        return Appended(entry_of(row), created=False) if row is not None else None

    def _new(self, draft: Draft) -> Appended:
        made = self.sequencer.sequence(draft, self._frontier)
        appended = Appended(entry_made(made[-1], draft), created=True)
        self._made.append((draft, made))
        self._frontiers.update((one.origin, one.after) for one in made)
        self._entries[draft.key] = appended
        return appended

    def _frontier(self, origin: str) -> Frontier:
        return self._frontiers.get(origin) or self.before.frontiers.get(origin) or Frontier()

    def _rows(self) -> Sequence[tuple[str, Sequence[tuple[Value, ...]]]]:
        placed = [(draft, one) for draft, made in self._made for one in made]
        return (
            (statements.WRITE_LEAF, [(o.origin, o.index, o.row.data, o.row.leaf_hash) for _, o in placed]),
            (statements.WRITE_CONTENT, [_content(d, o) for d, o in placed]),
            (
                statements.WRITE_SUBTREE,
                [(o.origin, at.level, at.place, h) for _, o in placed for at, h in o.subtrees if statements.kept(at)],
            ),
            (statements.WRITE_LOG, [(origin, f.size, f.packed) for origin, f in self._frontiers.items()]),
            (
                statements.WRITE_ENTRY,
                [(m[-1].index, d.key, d.kind.value, d.incident, d.proposal) for d, m in self._made],
            ),
            (statements.WRITE_FENCE, [*self._tokens.items()]),
        )


def _content(draft: Draft, one: Sequenced) -> tuple[Value, ...]:
    content = one.row.content
    assert content is not None, "nothing is erased that was just made"
    return one.origin, one.index, draft.key, content.salt, content.body, content.by


def asked(names: Sequence[str]) -> tuple[str, ...]:
    """Names as arguments of one of few statements: the last is repeated up to the next power of two."""
    wanted = 1 << (len(names) - 1).bit_length()
    return (*names, *repeat(names[-1], wanted - len(names))) if names else ()
