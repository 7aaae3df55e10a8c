"""The law's verdict on a proposal from files alone: no system, no key of ours, no effect. Called by `placet decide`.

The same `decide` as the gate's, on an estate that stands in a folder. What people are said to have approved is taken
as the file says it, and nothing that comes out of here is a warrant.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from estate import canonical
from estate.approvals import Approval
from estate.changes import Change
from estate.changes.kinds import NoInverse
from estate.effects import Step, lay_out
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.identities import Enrolment, Subject, SubjectKind
from estate.ids import Digest, IncidentId, InstallationId, SiteId, TenantId
from estate.law import Facts
from estate.modes import Freeze, Mode, Scope
from estate.proposals import Lane
from estate.results import Refusal
from estate.snapshots import Snapshot, SnapshotVersion
from estate.verdicts import Verdict
from estate.worlds import (
    ChangeFile,
    Decided,
    GivenException,
    GivenGlass,
    GivenWord,
    HistoryFile,
    InFlight,
    ProposalFile,
)
from policies import approving, domains, reliefs
from policies.bundle import Bundle
from policies.deciding import decide
from policies.domains import Counts
from policies.keyrings import KEY_BYTES, StaticRing, key_id_of
from policies.mandates import NOBODY, Mandate, digest_of
from policies.playing import joined
from policies.questions import Deputy, Given, Matter, Question, Ratified
from policies.recents import Recents
from policies.reliefs import Relief
from policies.signed_facts import open_facts
from policies.standing import Scene, concern, standing
from tools.inventory import declarations, documents, files

HERE: Final = InstallationId("offline")
FACTS: Final = ("facts.yaml", "facts.yml", "facts.json")
SIGNED: Final = ("facts.dsse.json", "facts.json")
"""What the facts are called in a folder; signed ones are DSSE envelopes."""
_WORLDS: Final = ("world.yaml", "world.yml", "world.json")
_AGENT: Final = Subject(kind=SubjectKind.AGENT, issuer=HERE, name="agent")


@dataclass(frozen=True, slots=True)
class Judging:
    """What is judged, and by what."""

    estate: Snapshot
    proposal: ProposalFile
    history: HistoryFile
    bundle: Bundle
    at: datetime


def judge(judging: Judging) -> Verdict:
    """What the gate would answer. Raises BadInput: the history speaks of what the facts do not know."""
    _check_scopes(judging)
    in_flight = _in_flight(judging.estate, judging.history)
    base = joined(judging.estate, in_flight)
    matter = _matter(judging, base)
    scene = Scene(
        now=judging.at,
        law=judging.bundle,
        in_flight=in_flight,
        recent=_recent(judging, base),
        at_once=_disturbed((c for e in judging.history.in_flight for c in e.changes), base),
    )
    stands = standing(matter, concern(matter, base), _Controls(judging), scene)
    given = tuple(_given(judging, matter, base, word) for word in judging.proposal.words)
    by = judging.at + judging.bundle.profile.approving
    return decide(Question(matter, judging.estate, judging.bundle, stands, judging.at, given, approve_by=by)).verdict


def _check_scopes(judging: Judging) -> None:
    """A misspelt freeze would freeze nothing, and be taken for a permit."""
    facts, history = judging.estate.facts, judging.history
    named = [("frozen", s) for s in history.frozen]
    named += [("exceptions", e.scope) for e in history.exceptions] + [
        ("broken_glass", g.scope) for g in history.broken_glass
    ]
    for field, scope in named:
        for kind, name, known in (("site", scope.site, facts.site), ("tenant", scope.tenant, facts.tenant)):
            if name is not None and name not in known:
                there = ", ".join(f"`{n}`" for n in sorted(known)) or "none"
                raise BadInput(f"history: {field}: there is no {kind} `{name}` in the facts; there are {there}")


def read_estate(folder: Path, key: Path | None, at: datetime) -> Snapshot:
    """The estate of a folder: facts, world, and estate files beside them. With a key, the facts are signed.

    Raises:
        BadInput: a file is missing or does not fit.
        Denied: the facts are not signed by that key, or have expired.
    """
    facts = _facts(folder, key, at)
    world = files.load_world(_one_of(folder, _WORLDS))
    known = {*FACTS, *SIGNED, *_WORLDS}
    rest = [p for p in declarations.listed((folder,)) if p.name not in known and p.name.startswith("estate")]
    version = SnapshotVersion(installation=HERE, epoch=0, sequence=1)
    return FrozenEstate.of(version, facts, world.nodes, world.workloads, declarations.load(rest, facts))


def read_proposal(path: Path) -> ProposalFile:
    """The proposal in a file, or the changes of a change file, on nobody's behalf. Raises BadInput."""
    document = documents.parse(files.read(path), str(path))
    if isinstance(document.value, dict) and document.value.get("kind") == ChangeFile.identity()[0]:
        written = files.fit(ChangeFile, document)
        return ProposalFile(summary=written.summary, changes=written.changes)
    return files.fit(ProposalFile, document)


def _facts(folder: Path, key: Path | None, at: datetime) -> Facts:
    if key is None:
        return files.load_facts(_one_of(folder, FACTS))
    try:
        raw = base64.b64decode(files.read(key).strip(), validate=True)
    except binascii.Error as error:
        raise BadInput(f"{key}: is no base64; write the {KEY_BYTES} bytes of the Ed25519 public key in it") from error
    if len(raw) != KEY_BYTES:
        raise BadInput(f"{key}: holds {len(raw)} bytes, an Ed25519 public key has {KEY_BYTES}; copy it again")
    return open_facts(files.read(_one_of(folder, SIGNED)), StaticRing.of(raw), at)


def _one_of(folder: Path, names: Iterable[str]) -> Path:
    found = next((p for name in names if (p := folder / name).is_file()), None)
    if found is None:
        raise BadInput(
            f"{folder}: has none of {', '.join(f'`{n}`' for n in names)}; `placet estate generate` makes such"
        )
    return found


def _in_flight(estate: Snapshot, history: HistoryFile) -> tuple[Step, ...]:
    """The steps of what was permitted and has not ended, oldest first."""
    steps: list[Step] = []
    for entry in sorted(history.in_flight, key=lambda e: e.permitted_at):
        steps += _steps(entry.changes, joined(estate, steps))
    return tuple(steps)


def _recent(judging: Judging, on: Snapshot) -> Counts:
    """What the window has of it: what was decided and ended, and what is under way."""
    recents = Recents(judging.bundle.profile.window)
    decided: tuple[Decided | InFlight, ...] = (*judging.history.decided, *judging.history.in_flight)
    for entry in sorted(decided, key=lambda e: e.permitted_at):
        recents.add(entry.permitted_at, _disturbed(entry.changes, on))
    recents.forget(judging.at)
    return Counter(recents.counts)


def _disturbed(changes: Iterable[Change], on: Snapshot) -> Counts:
    return domains.counted(domains.disturbed(c, on) for c in changes)


def _steps(changes: tuple[Change, ...], on: Snapshot) -> tuple[Step, ...]:
    """As they are laid out; those that have no effect stand as they are, and the law says why that is no plan."""
    laid = lay_out(changes, on)
    if not isinstance(laid, Refusal):
        return laid.value.steps
    none = NoInverse(reason="it has no effect")
    return tuple(
        Step(number=n, change=c, preconditions=(), postconditions=(), inverse=none)
        for n, c in enumerate(changes, start=1)
    )


def _matter(judging: Judging, base: Snapshot) -> Matter:
    proposal, steps = judging.proposal, _steps(judging.proposal.changes, base)
    person = _person(proposal.person) if proposal.person else None
    mandate = Mandate(person=person, tenants=proposal.for_tenants, changes=digest_of(proposal.changes))
    matter = Matter(
        installation=HERE,
        incident=IncidentId("from-a-file"),
        proposal=canonical.digest_of([s.json_form() for s in steps]),
        site=SiteId(""),
        lane=Lane.CASE,
        steps=steps,
        proposer=_AGENT,
        on_behalf_of=person,
        for_tenants=proposal.for_tenants,
        mandate=mandate if person is not None else NOBODY,
        deputy=_deputy(proposal, person) if person is not None else None,
    )
    touched = [s for s in concern(matter, base).sites if s] or [s.id for s in judging.estate.facts.sites]
    return replace(matter, site=touched[0] if touched else SiteId("none"))


def _deputy(proposal: ProposalFile, person: Subject) -> Deputy:
    return Deputy(frozenset(proposal.person_roles), frozenset(proposal.for_tenants), f"{HERE}/{person.name}")


@dataclass(frozen=True, slots=True)
class _Controls:
    """Freezes, mode, exceptions and broken glass as the history says."""

    judging: Judging

    def freezes(self, site: SiteId | None, tenants: Iterable[TenantId]) -> tuple[Freeze, ...]:
        """See `policies.standing.Controls`."""
        whom = (*tenants, None)
        frozen = [s for s in self.judging.history.frozen if any(s.covers(site, t) for t in whom if t or not s.tenant)]
        by, at = _person("history"), self.judging.at
        return tuple(Freeze(installation=HERE, scope=s, frozen=True, by=by, at=at) for s in frozen)

    def mode(self, site: SiteId | None, tenants: Iterable[TenantId]) -> Mode:
        """The one of the history, everywhere."""
        return self.judging.history.mode

    def reliefs(self, now: datetime) -> tuple[Relief, ...]:
        """Those in force: exceptions to rules that take some, and glass that two people broke within the hour."""
        history = self.judging.history
        excepted = (_excepting(e, self.judging) for e in history.exceptions if e.valid_until > now)
        broken = (g for g in history.broken_glass if g.seconded_at <= now < g.seconded_at + reliefs.LASTS)
        return (*excepted, *(_breaking(g) for g in broken))

    def ratified(self, bundle: Digest, now: datetime) -> Ratified:
        """Whoever names the rules vouches for them: no warrant can follow."""
        return Ratified()


def _excepting(given: GivenException, judging: Judging) -> Relief:
    rule = judging.bundle.rules.get(given.rule)
    if rule is None or not rule.liftable:
        why = "there is no such rule" if rule is None else rule.firm or f"it is of tier {rule.tier}"
        raise BadInput(f"exceptions: `{given.rule}` takes none: {why}")
    if given.scope == Scope() and not given.target:
        raise BadInput(f"exceptions: that to `{given.rule}` is for everything; name a site, a tenant or a target")
    name, lasts = canonical.digest_of(given.json_form()), given.valid_until - judging.at
    return Relief(name, given.rule, given.scope, (_person(given.by),), given.target, lasts)


def _breaking(given: GivenGlass) -> Relief:
    if given.by == given.seconded_by:
        raise BadInput(f"broken_glass: `{given.by}` both broke and seconded it; it takes two humans")
    name = canonical.digest_of(given.json_form())
    return Relief(name, None, given.scope, (_person(given.by), _person(given.seconded_by)))


def _given(judging: Judging, matter: Matter, base: Snapshot, word: GivenWord) -> Given:
    """The word as if its person had been shown what concerns them, and had signed it just now."""
    who, at = _person(word.person), judging.at
    tenant = _shown_to(word, matter, base)
    diff = approving.diff_of(matter.proposal, matter.steps, tenant, base)
    key = bytes(KEY_BYTES)
    enrolment = Enrolment(
        installation=HERE,
        subject=who,
        key_id=key_id_of(key),
        public_key=base64.b64encode(key).decode(),
        roles=word.roles,
        tenants=word.tenants,
        enrolled_at=at - timedelta(days=1),
        valid_until=at + timedelta(days=1),
        person=word.human,
    )
    approval = Approval(
        installation=HERE,
        incident=matter.incident,
        proposal=matter.proposal,
        diff=diff.digest,
        word=word.word,
        approver=who,
        at=at,
    )
    return Given(approval, enrolment)


def _shown_to(word: GivenWord, matter: Matter, base: Snapshot) -> TenantId | None:
    """The part of the one tenant that they speak for; everything, for whoever speaks for several or operates."""
    concerned = [t for t in word.tenants if t in approving.tenants_of(matter, base)]
    return concerned[0] if len(concerned) == 1 and len(word.tenants) == 1 else None


def _person(name: str) -> Subject:
    return Subject(kind=SubjectKind.HUMAN, issuer=HERE, name=name)
