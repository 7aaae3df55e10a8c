"""The law base under which a cluster is looked at: a file that was named, what this installation signed, or nothing.

Called by `contact.meeting`. A law base that does not know the cluster by its uid knows nothing of it: everything there
is then unknown, which means denied. Unsigned facts are good for a look, and `Ground.source` says that they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from console.state import StateDirectory
from estate import names
from estate.errors import Denied, PlacetError
from estate.ids import ClusterId, Uid
from estate.law import Facts
from tools.inventory import files
from tools.kubernetes import naming

_UID_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class LawBase:
    """Facts, and where they are from in words; None where there are none."""

    facts: Facts | None
    source: str


@dataclass(frozen=True, slots=True)
class Ground:
    """What a cluster is called, and what is known of it."""

    cluster: ClusterId
    uid: Uid
    facts: Facts
    source: str
    known: bool
    """Whether the facts know this cluster by its uid."""


def read(file: Path | None, state: StateDirectory, now: datetime) -> LawBase:
    """The facts in `file`, else those that this installation signed, else none.

    Raises:
        BadInput: the file named cannot be read, or holds no facts.
    """
    if file is not None:
        return LawBase(files.load_facts(file), f"{file} (not signed: for a look only)")
    if not state.exists():
        return LawBase(None, f"none: no `--facts`, and no installation in {state.root}")
    try:
        facts = _signed(state, now)
    except (PlacetError, OSError) as error:
        return LawBase(None, f"none: those signed in {state.root} cannot be used: {error}")
    return LawBase(facts, f"version {facts.version}, signed in {state.root}")


def recognise(base: LawBase, uid: Uid, called: str) -> Ground:
    """The ground of the cluster with that uid. Where no fact knows it, it is called after `called`, its context.

    Raises:
        BadInput: a fact defines the tenant `unassigned`.
    """
    facts = base.facts or nothing()
    known = next((c for c in facts.clusters if c.uid == uid), None)
    if known is None:
        return Ground(_unused(facts, uid, called), uid, facts, base.source, known=False)
    try:
        naming.recognise(facts, known.id, uid)
    except Denied:  # its uid was just compared
        return Ground(_unused(facts, uid, called), uid, facts, base.source, known=False)
    return Ground(known.id, uid, facts, base.source, known=True)


def nothing() -> Facts:
    """A law base that knows nothing and never expires: it denies everything, each thing for its own reason."""
    return Facts(
        version=1,
        author="nobody",
        basis="none",
        valid_until=datetime.max.replace(tzinfo=UTC),
        entities=(),
        sites=(),
        racks=(),
        clusters=(),
        tenants=(),
    )


def _signed(state: StateDirectory, now: datetime) -> Facts:
    from console.lawgivers import facts_ring
    from policies.signed_facts import open_facts

    return open_facts(state.facts_path.read_bytes(), facts_ring(state.record()), now)


def _unused(facts: Facts, uid: Uid, called: str) -> ClusterId:
    """A name that no fact uses for another cluster, fit for ids."""
    stem = "".join(c if c.isascii() and c.isalnum() else "-" for c in called.lower())[:40].strip("-")
    for name in (stem, f"{stem or 'cluster'}-{uid[:_UID_SHOWN].strip('-')}"):
        if name and ClusterId(name) not in facts.cluster:
            return ClusterId(name)
    return ClusterId(names.slug(f"cluster {uid}"))
