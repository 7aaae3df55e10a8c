"""The gate: proposals and people's words in, verdicts and sealed warrants out. Nothing happens before its entry stands.

Transport-free: the gate process feeds it from NATS and publishes its answers. It may be given anything twice, and
killed between any two appends: each proposal has one decision for each set of words, and one warrant ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from estate.approvals import Approval, Word
from estate.clocks import Clock, Entropy
from estate.errors import BadInput, Denied
from estate.identities import Enrolment, Subject
from estate.ids import ClusterId, Digest, ExecutorId, InstallationId, KeyId
from estate.outcomes import Ending, Outcome
from estate.proposals import Proposal
from estate.records import write_time
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import PAYLOAD_TYPE, Warrant
from policies import approving, deadlines, dsse, entering, mandates, recording, warrants
from policies.bundle import Bundle
from policies.deadlines import Deadlines
from policies.deciding import decide
from policies.domains import Counts
from policies.flights import Flights
from policies.keyrings import KeyRing
from policies.ledger.port import Entry, EntryKind, Ledger
from policies.patience import Pace
from policies.questions import Deputy, Given, Matter, Question
from policies.recents import Recents
from policies.redeciding import acts
from policies.signing.port import Signer
from policies.signing.sealing import seal_soon
from policies.standing import Concern, Controls, Scene, concern, standing

MOST_WORDS: Final = 16
"""How many words of one person on one proposal are recorded."""


type _Decided = tuple[Verdict, Counts]
"""A verdict, and what its warrant would count for in the breakers."""


class Enrolments(Protocol):
    """The enrolments in force (`policies.enrolments.Enrolments`)."""

    def ring(self) -> KeyRing:
        """The public keys of everybody who is enrolled."""

    def of_key(self, key: KeyId) -> Enrolment | None:
        """For whom that key speaks."""

    def of_subject(self, subject: Subject) -> tuple[Enrolment, ...]:
        """Every enrolment of that subject, one for each key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict, and the sealed warrant when there is one."""

    verdict: Verdict
    warrant_envelope: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One proposal on the snapshot that it is decided on."""

    proposal: Proposal
    matter: Matter
    snapshot: Snapshot
    concern: Concern


@dataclass(kw_only=True)
class Gate:
    """The only holder of the warrant key. Call `restore` before anything else."""

    installation: InstallationId
    ledger: Ledger
    signer: Signer
    bundle: Bundle
    newest: Callable[[], Snapshot]
    controls: Controls
    enrolments: Enrolments
    clock: Clock
    entropy: Entropy
    audience: Callable[[frozenset[ClusterId]], ExecutorId | None]
    second: Signer | None = None
    """A second key that signs every warrant too, where the installation has one."""
    _flights: Flights = field(default_factory=Flights)
    _recents: Recents = field(init=False)
    _pace: Pace = field(init=False)
    _deadlines: Deadlines = field(default_factory=Deadlines)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Protects the flights: a decision and the warrant it leads to are one turn, or two would see one headroom."""

    def __post_init__(self) -> None:
        self._recents, self._pace = Recents(self.bundle.profile.window), Pace(self.bundle.profile.patience)

    @property
    def in_flight(self) -> frozenset[Digest]:
        """The proposals whose warrants were issued and have not arrived."""
        return self._flights.proposals

    async def restore(self) -> None:
        """Rebuild what is in flight, what was issued within the breakers' window, and who approved of late."""
        begun = self.clock() - self.bundle.profile.window
        async for entry in self.ledger.entries(kind=EntryKind.ISSUED):
            if not entry.salt:  # a body that was erased is of a change that ended
                continue
            disturbed = recording.disturbed(entry.body)
            self._flights.depart(Warrant.read(_part(entry, "warrant")), disturbed)
            if entry.at >= begun:
                self._recents.add(entry.at, disturbed)
        async for entry in self.ledger.entries(kind=EntryKind.DECIDED):
            self._deadlines.recall(entry)
        async for entry in self.ledger.entries(kind=EntryKind.APPROVED):
            self._pace.add(self._human(entry), entry.at)
        async for entry in self.ledger.entries(kind=EntryKind.OUTCOME):
            if entry.proposal is not None:
                self._flights.forget(entry.proposal)

    async def submit(self, proposal: Proposal) -> Answer:
        """Decide a proposal, once for each set of words given, and issue its warrant when it is permitted.

        Raises:
            Denied: it is for another installation, or names somebody else than an agent of this one as its proposer.
            RetryLater: the ledger is busy, or the snapshot that was planned on has not arrived here yet.
        """
        entering.check(proposal, self.installation, self.clock())
        async with self._turn:
            case = await self._case(proposal)
            entering.check_caught_up(proposal, case.snapshot)
            tenants = case.concern.tenants
            draft = recording.proposed(proposal, case.matter, case.snapshot, tenants, self.clock())
            made = await self.ledger.append(draft)
            # Of what was not proposed before now the ledger holds no word, no verdict and no warrant.
            return await self._answer(case, fresh=made.created)

    async def approve(self, envelope: bytes) -> Answer:
        """Take a person's signed word on a proposal, and decide again on the newest snapshot with all words given.

        A word that tier 0 bars is recorded and does not count: the verdict names `approval-self` and stays as it was.

        Raises:
            Denied: the signature, the enrolment, the proposal or the diff does not hold; nothing is recorded.
        """
        opened = dsse.open_envelope(envelope, approving.PAYLOAD_TYPE, self.enrolments.ring())
        given, key = self._given(_approval(opened.payload), opened.key_ids[0]), opened.key_ids[0]
        async with self._turn:
            case = await self._recall(given.approval.proposal)
            self._check(given, case)
            await self._check_patience(given)
            tenants = case.concern.tenants
            draft = recording.worded(given.approval, key, envelope, tenants, self.clock())
            if (await self.ledger.append(draft)).created and given.approval.word is Word.APPROVE:
                self._pace.add(given.enrolment.human, self.clock())
            return await self._answer(case, fresh=False)

    async def lapse(self) -> tuple[Answer, ...]:
        """The new verdict on everything that waits for people and whose time to be approved has ended."""
        answers: list[Answer] = []
        for proposal in self._deadlines.passed(self.clock()):
            async with self._turn:
                answers.append(await self._answer(await self._recall(proposal), fresh=False))
        return tuple(answers)

    async def concluded(self, outcome: Outcome) -> None:
        """An execution ended: its steps stop counting as in flight."""
        async with self._turn:
            self._flights.arrive(outcome.proposal, outcome.ending, self.clock())

    async def _answer(self, case: _Case, *, fresh: bool) -> Answer:
        """`fresh`: the ledger has nothing on this proposal yet."""
        if not fresh and (entry := await self.ledger.find(recording.issued_key(case.matter.proposal))) is not None:
            return _stored(entry)
        verdict, disturbed = await (self._judged(case) if fresh else self._decided(case))
        if not acts(verdict):
            return Answer(verdict)
        return await self._issued(case, verdict, disturbed)

    async def _decided(self, case: _Case) -> _Decided:
        """The verdict in the ledger for these words, or a new one made durable.

        A permit whose warrant was never issued (the gate was killed in between) is asked again: what was lawful then
        may be frozen, or have lost its headroom to another, by now. So is what waited for people until their time
        ended.
        """
        given = await self._words(case.matter.proposal)
        known: list[Digest] = [g.digest for g in given]
        lapsed: Verdict | None = None
        while (entry := await self.ledger.find(recording.decided_key(case.matter.proposal, known))) is not None:
            found = Verdict.read(_part(entry, "verdict"))
            if not acts(found) and not deadlines.ended(found, self.clock()):
                return found, Counter()
            lapsed = found if acts(found) else None
            known.append(found.digest)
        return await self._judged(case, given, known, lapsed)

    async def _judged(
        self, case: _Case, given: tuple[Given, ...] = (), known: Sequence[Digest] = (), lapsed: Verdict | None = None
    ) -> _Decided:
        """A new verdict, made durable; or the `lapsed` permit, which holds again."""
        await self._settle(case.snapshot)
        ruling = decide(self._question(case, given))
        verdict = ruling.verdict
        if lapsed is not None and acts(verdict):
            return lapsed, ruling.disturbed
        key = recording.decided_key(case.matter.proposal, known)
        made = await self.ledger.append(recording.decided(ruling, key, case.concern.tenants))
        self._deadlines.recall(made.entry)
        return Verdict.read(_part(made.entry, "verdict")), ruling.disturbed

    async def _issued(self, case: _Case, verdict: Verdict, disturbed: Counts) -> Answer:
        """Seal and record the one warrant. A permit's steps are the proposal's own: the gate laid out the same."""
        audience = self.audience(case.concern.clusters)
        if audience is None:
            raise Denied("no executor serves these clusters any more; configure one and propose again")
        within = self.bundle.profile.executing
        warrant = warrants.build(verdict, case.proposal.steps, audience, self.clock(), self.entropy, within)
        signers = (self.signer, *([self.second] if self.second else []))
        envelope = await seal_soon(warrant.canonical(), PAYLOAD_TYPE, *signers)
        draft = recording.issued(warrant, envelope, verdict, disturbed, case.concern.tenants)
        made = await self.ledger.append(draft)
        self._flights.depart(Warrant.read(_part(made.entry, "warrant")), disturbed)
        self._recents.add(made.entry.at, disturbed)
        return _stored(made.entry)

    def _question(self, case: _Case, given: tuple[Given, ...]) -> Question:
        known = self.audience(case.concern.clusters) is not None
        now = self.clock()
        scene = Scene(
            now=now,
            law=self.bundle,
            in_flight=self._flights.steps(but=case.matter.proposal),
            executor_known=known,
            recent=self._recents.counts,
            at_once=self._flights.at_once,
        )
        found = standing(case.matter, case.concern, self.controls, scene)
        approve_by = self._approve_by(case.proposal)
        return Question(case.matter, case.snapshot, self.bundle, found, now, given, approve_by=approve_by)

    def _approve_by(self, proposal: Proposal) -> datetime:
        """By the proposal's own time, which can be no later than the gate's: nobody prolongs it by asking again."""
        return proposal.created_at + self.bundle.profile.approving

    async def _settle(self, snapshot: Snapshot) -> None:
        now = self.clock()
        self._recents.forget(now)
        self._flights.settle(snapshot, now)
        for warrant in self._flights.expired(now):
            if await self.ledger.find(f"consumed:{warrant.nonce}") is None:
                self._flights.arrive(warrant.proposal, Ending.REFUSED, now)

    async def _case(self, proposal: Proposal) -> _Case:
        mandate = await mandates.find(self.ledger, proposal.incident)
        deputy = self._deputy(mandate.person) if mandate.person is not None else None
        matter, snapshot = replace(Matter.of(proposal, mandate=mandate), deputy=deputy), self.newest()
        return _Case(proposal, matter, snapshot, concern(matter, snapshot))

    def _deputy(self, person: Subject) -> Deputy:
        """What the person whom an agent stands for may do now; nothing once they are enrolled no more."""
        held = self.enrolments.of_subject(person)
        roles = frozenset(r for e in held for r in e.roles)
        tenants = frozenset(t for e in held for t in e.tenants)
        return Deputy(roles, tenants, next((e.human for e in held), f"{person.issuer}/{person.name}"))

    def _human(self, entry: Entry) -> str:
        enrolment = self.enrolments.of_key(KeyId(str(entry.body["key"])))
        return enrolment.human if enrolment is not None else entry.by

    async def _recall(self, proposal: Digest) -> _Case:
        entry = await self.ledger.find(recording.proposed_key(proposal))
        if entry is None:
            raise Denied(f"proposal `{proposal}` was never submitted here; see `placet get proposals`")
        return await self._case(Proposal.read(_part(entry, "proposal")))

    async def _words(self, proposal: Digest) -> tuple[Given, ...]:
        """Every word recorded on the proposal whose key is still enrolled."""
        found: list[Given] = []
        for kind in (EntryKind.APPROVED, EntryKind.DENIED):
            async for entry in self.ledger.entries(kind=kind, proposal=proposal):
                enrolment = self.enrolments.of_key(KeyId(str(entry.body["key"])))
                if enrolment is not None:
                    found.append(Given(Approval.read(_part(entry, "approval")), enrolment))
        return tuple(found)

    def _given(self, approval: Approval, key: KeyId) -> Given:
        enrolment = self.enrolments.of_key(key)
        if enrolment is None:
            raise Denied(f"key `{key}` is not enrolled; have an administrator enrol it")
        return Given(approval, enrolment)

    def _check(self, given: Given, case: _Case) -> None:
        """Refuse a word that could never count, with the reason, before it is recorded."""
        now, approval = self.clock(), given.approval
        if fault := approving.fault_of(given, case.matter, now):
            raise Denied(f"the word of `{approval.approver}` cannot count: {fault}")
        if approval.at > now + approving.MAX_SKEW:
            raise Denied(f"the word of `{approval.approver}` is dated in the future; check the clock that signed it")
        if approval.word is Word.APPROVE and now >= (by := self._approve_by(case.proposal)):
            raise Denied(
                f"the approval of `{approval.approver}` comes too late: the time to approve ended at {write_time(by)}; "
                "have it proposed again"
            )
        if approval.word is Word.APPROVE and approval.diff not in approving.diffs(given, case.matter, case.snapshot):
            raise Denied(f"`{approval.diff}` is no diff of this proposal for them; look at it again, then approve")

    async def _check_patience(self, given: Given) -> None:
        """Refuse one more word of somebody who has said enough, or approves faster than a person can read."""
        if await self.ledger.find(recording.approval_key(given.digest)) is not None:
            return
        if given.approval.word is Word.APPROVE and (fault := self._pace.fault(given.enrolment.human, self.clock())):
            raise Denied(f"the approval of `{given.approval.approver}` does not count: {fault}")
        said = await self._words(given.approval.proposal)
        if sum(g.enrolment.subject == given.enrolment.subject for g in said) >= MOST_WORDS:
            raise Denied(
                f"`{given.approval.approver}` has given {MOST_WORDS} words on this proposal; the last ones stand"
            )


def _approval(payload: bytes) -> Approval:
    try:
        return Approval.read(payload)
    except BadInput as error:
        raise Denied(f"the payload is no approval: {error}") from error


def _part(entry: Entry, name: str) -> dict[str, object]:
    part = entry.body[name]
    assert isinstance(part, dict), name
    return dict(part)


def _stored(entry: Entry) -> Answer:
    return Answer(Verdict.read(_part(entry, "verdict")), str(entry.body["envelope"]).encode())
