"""Queries: what there is, and its story. They change nothing, and are cut to what the caller may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import cached_property
from operator import itemgetter
from typing import assert_never

from console.door import drifting, noticing, relieving, stories, texts, views
from console.door.commands import (
    Assured,
    Coverage,
    DeadLetters,
    Describe,
    Diagnose,
    Drifted,
    FleetReported,
    Get,
    History,
    Kind,
    LawReported,
    LedgerExport,
    LedgerProve,
    LedgerShow,
    OfferAsked,
    Pending,
    Planned,
    Reply,
    Supposed,
    Top,
    Topology,
    WhoAmI,
    Why,
    WouldPlace,
)
from console.door.desk import Desk, NotFound, sight_of
from console.door.placing import PlacementAsked, Placing
from console.door.viewing import Viewed, Viewing
from console.door.views import Row
from estate.approvals import Diff
from estate.canonical import Json
from estate.errors import BadInput, Denied
from estate.identities import Enrolment, Role
from estate.ids import Digest, IncidentId, TenantId
from estate.incidents import Incident
from estate.proposals import Proposal
from estate.records import write_time
from estate.references import Ref
from estate.snapshots import Snapshot
from policies import activations, approving, reaches, skews
from policies.bundle import Bundle
from policies.heartbeats import Pulse
from policies.ledger import proofs
from policies.ledger.port import Entry, EntryKind
from policies.questions import Matter
from policies.recording import proposed_key
from policies.reporting import Asking, report
from tools.bus import dead_letters
from tools.bus.dead_letters import DeadLetter
from tools.drift import estates
from tools.placement.planning.plans import Goal
from tools.views import things

type Question = (
    Get
    | Describe
    | Viewed
    | Drifted
    | LawReported
    | PlacementAsked
    | Planned
    | Pending
    | DeadLetters
    | LedgerExport
    | LedgerProve
    | LedgerShow
    | Diagnose
    | WhoAmI
)

DIGEST_PREFIX = "sha256:"
SHORTEST_DIGEST = 8


_SETTINGS = (
    EntryKind.FROZEN,
    EntryKind.MODE_SET,
    EntryKind.EXCEPTED,
    EntryKind.GLASS,
    EntryKind.RATIFIED,
    EntryKind.ENROLLED,
)


class Querying:
    """Answers queries on one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._viewing = Viewing(desk)
        self._placing = Placing(desk.reader.newest, desk.clock, desk.reader.at, desk.ceilings)

    async def handle(self, caller: Enrolment, question: Question) -> Reply:  # noqa: C901, PLR0912 - a row a question
        """The answer. Raises NotFound, Denied, RetryLater."""
        match question:
            case Get():
                return Reply(result=[*await self._get(caller, question)])
            case Describe():
                return Reply(result=await self._describe(caller, question))
            case Top() | Topology() | Coverage() | History():
                return Reply(result=self._viewing.answer(sight_of(caller), question))
            case Drifted():
                return Reply(result=[*await self._drifted(caller, question)])
            case LawReported():
                return Reply(result=await asyncio.to_thread(self._law, question.days))
            case Assured() | Supposed() | Why() | WouldPlace() | OfferAsked() | FleetReported():
                return Reply(result=await asyncio.to_thread(self._placing.answer, sight_of(caller), question))
            case Planned():
                return Reply(result=await asyncio.to_thread(self._plan, question.goal))
            case Pending():
                return Reply(result=await self._pending(caller, question.incident))
            case DeadLetters():
                return Reply(result=[*await self._letters(question.sequence)])
            case LedgerExport():
                spooled = await self._desk.spool.put_stream(self._desk.ledger.export(), caller.subject)
                return Reply(spooled=spooled)
            case LedgerProve():
                proof = await proofs.prove(self._desk.archive, question.proposal)
                return Reply(spooled=await self._desk.spool.put(proof, caller.subject))
            case LedgerShow():
                return Reply(result=[row async for row in self._entries(question)])
            case Diagnose():
                return Reply(result=await self._diagnosis())
            case WhoAmI():
                return Reply(result=caller.json_form())
            case unreachable:
                assert_never(unreachable)

    async def _get(self, caller: Enrolment, question: Get) -> list[Row]:
        if not isinstance(question.what, Kind):
            return self._viewing.get(sight_of(caller), question)
        rows = self._viewing.chosen(await self._rows(caller, question.what, question.name), question)
        if question.name is None:
            return rows
        found = [r for r in rows if _named(str(r["name"]), question.name)]
        if not found:
            raise NotFound(f"no {question.what} `{question.name}`; see `placet get {question.what}s`")
        if len(found) > 1:
            raise NotFound(f"`{question.name}` begins {len(found)} names; write more of the one you mean")
        return found

    async def _rows(self, caller: Enrolment, what: Kind, name: str | None) -> list[Row]:
        sight = sight_of(caller)
        match what:
            case Kind.NODE:
                return views.nodes(self._desk.reader.newest(), sight, self._desk.clock())
            case Kind.WORKLOAD:
                return views.workloads(self._desk.reader.newest(), sight)
            case Kind.RACK:
                return views.racks(self._desk.reader.newest(), sight)
            case Kind.TENANT:
                return views.tenants(self._desk.reader.newest(), sight)
            case Kind.INCIDENT:
                return [views.incident_row(i) for i in await self._incidents(caller, name)]
            case Kind.RELIEF:
                if not sight.everything:
                    raise Denied("`get reliefs` shows every tenant's; an operator or an administrator may ask")
                return relieving.rows(self._desk.controls, self._desk.clock())
            case Kind.SETTING:
                if not sight.everything:
                    raise Denied("`get settings` shows every tenant's; an operator or an administrator may ask")
                return await self._settings()
            case Kind.NOTICE:
                return [row async for row in noticing.rows(self._desk.ledger, sight)]
            case Kind.PROPOSAL | Kind.WARRANT:
                return [row async for row in self._decided(caller, what)]

    async def _incidents(self, caller: Enrolment, name: str | None) -> list[Incident]:
        if name is not None:
            held = await self._desk.incidents.find(IncidentId(name))
            found = [held.value] if held else []
        else:
            found = list(await self._desk.incidents.every())
        seen = [self._desk.project(caller, i) for i in found if self._desk.sees(caller, i)]
        return sorted(seen, key=lambda i: i.opened_at, reverse=True)

    async def _decided(self, caller: Enrolment, what: Kind) -> AsyncIterator[Row]:
        """Proposals or warrants, read off the ledger: for people who see everything."""
        if not sight_of(caller).everything:
            raise Denied(f"`get {what.value}s` shows every tenant's; use `placet describe incident NAME`")
        kind = EntryKind.PROPOSED if what is Kind.PROPOSAL else EntryKind.ISSUED
        async for entry in self._desk.ledger.entries(kind=kind):
            yield await self._decided_row(what, entry)

    async def _decided_row(self, what: Kind, entry: Entry) -> Row:
        latest = {e.kind: e async for e in self._desk.ledger.entries(proposal=entry.proposal)}
        outcome = latest.get(EntryKind.OUTCOME)
        row: Row = {
            "name": entry.proposal,
            "incident": entry.incident,
            "outcome": str(outcome.body.get("ending", "")) if outcome else "",
        }
        if what is Kind.WARRANT:
            issued = _part(entry, "warrant")
            return row | {k: issued.get(f) for k, f in (("audience", "audience"), ("expires", "expires_at"))}
        decided = latest.get(EntryKind.DECIDED)
        proposal = _part(entry, "proposal")
        decision = _part(decided, "verdict").get("decision", "") if decided else ""
        return row | {k: proposal.get(k) for k in ("attempt", "lane", "summary")} | {"decision": decision}

    async def _describe(self, caller: Enrolment, question: Describe) -> Row:
        (row,) = await self._get(caller, Get(what=question.what, name=question.name))
        if question.what in things.KINDS:
            return row | self._viewing.describe(sight_of(caller), Ref(question.what, question.name))
        if question.what is Kind.INCIDENT:
            return row | await self._story(caller, IncidentId(question.name))
        if question.what in {Kind.PROPOSAL, Kind.WARRANT}:
            entries = self._desk.ledger.entries(proposal=Digest(str(row["name"])))
            return row | {"story": [stories.line(e) async for e in entries]}
        return row

    async def _story(self, caller: Enrolment, name: IncidentId) -> Row:
        incident = self._desk.project(caller, await self._desk.incidents.read(name))
        events: list[Row] = [_event_row(incident, n) for n in range(min(len(incident.events), 20))]
        verdict = views.verdict_of(incident)
        story: Row = {
            "fences": [f"{f.node}: {f.outcome.ending.value if f.outcome else 'asked'}" for f in incident.fences],
            "lapsed": [o.reason for o in incident.lapses],
            "failures": [*stories.findings(verdict.json_form() if verdict else {})],
            "seen": [*events],
        }
        if not sight_of(caller).everything:
            return story
        entries = [stories.line(e) async for e in self._desk.ledger.entries(incident=name)]
        return story | {"story": [*entries]}

    async def _drifted(self, caller: Enrolment, question: Drifted) -> list[Row]:
        known = await self._desk.drifts.every()
        found = (*known, *estates.places(self._desk.reader.newest()))
        return drifting.rows(found, sight_of(caller), question.what, question.name)

    def _law(self, days: int) -> Json:
        """A scan, and so in a thread of its own; whoever may ask sees everything."""
        asking = Asking(self._desk.reader.newest(), self._bundle, self._desk.clock(), timedelta(days=days))
        return report(asking).json_form()

    def _plan(self, goal: Goal) -> Json:
        """Seconds of work, and so in a thread of its own; whoever may ask sees everything."""
        from tools.placement.planning.planning import plan

        return plan(self._desk.reader.newest(), goal, self._desk.clock()).json_form()

    @cached_property
    def _bundle(self) -> Bundle:
        return Bundle.load()

    async def _pending(self, caller: Enrolment, name: IncidentId) -> Row:
        held = await self._desk.incidents.find(name)
        if held is None or not self._desk.sees(caller, held.value):
            raise NotFound(f"no incident `{name}`; see `placet get incidents`")
        verdict = views.waiting_verdict(self._desk.project(caller, held.value))
        if verdict is None:
            raise NotFound(f"incident `{name}` is {held.value.state.value} and waits for no approval")
        entry = await self._desk.ledger.find(proposed_key(verdict.proposal))
        if entry is None:
            raise NotFound(f"the proposal of `{name}` is not in the ledger; see `placet doctor`")
        proposal = Proposal.read(_part(entry, "proposal"))
        return {
            "incident": name,
            "proposal": verdict.proposal,
            "summary": texts.line(proposal.summary) if sight_of(caller).everything else "",
            "diff": self._diff(caller, proposal).json_form(),
            "requirements": [r.json_form() for r in verdict.requirements],
            "decided": write_time(verdict.decided_at),
            "obligations": [o.describe() for o in verdict.obligations],
            "approve_by": write_time(verdict.approve_by) if verdict.approve_by else None,
            "execute_within_seconds": verdict.execute_within_seconds,
        }

    def _diff(self, caller: Enrolment, proposal: Proposal) -> Diff:
        """The whole for those who see everything; else the part of the caller's tenant that it concerns."""
        snapshot = self._desk.reader.newest()
        if sight_of(caller).everything:
            return approving.diff_for(proposal, None, snapshot)
        concerned = approving.tenants_of(Matter.of(proposal), snapshot)
        own: list[TenantId] = [t for t in concerned if t in caller.tenants and Role.TENANT_OWNER in caller.roles]
        if not own:
            raise Denied("the proposal concerns none of the tenants you speak for")
        return approving.diff_for(proposal, own[0], snapshot)

    async def _letters(self, sequence: int | None) -> list[Row]:
        if sequence is not None:
            letter = await self._letter(sequence)
            return [_letter_row(letter) | {"body": letter.data.decode(errors="replace")}]
        return [_letter_row(letter) for letter in await dead_letters.listed(self._desk.bus)]

    async def _letter(self, sequence: int) -> DeadLetter:
        try:
            return await dead_letters.show(self._desk.bus, sequence)
        except BadInput as error:
            raise NotFound(str(error)) from error

    async def _entries(self, question: LedgerShow) -> AsyncIterator[Row]:
        left = question.limit
        found = self._desk.ledger.entries(incident=question.incident, proposal=question.proposal, after=question.after)
        async for entry in found:
            yield stories.line(entry)
            left -= 1
            if not left:
                return

    async def _settings(self) -> list[Row]:
        """The signed settings in the order they were made; the last of each scope stands."""
        lines: list[Row] = []
        for kind in _SETTINGS:
            lines += [{"name": e.key, **stories.line(e)} async for e in self._desk.ledger.entries(kind=kind)]
        return sorted(lines, key=itemgetter("index"))

    async def _diagnosis(self) -> Row:
        snapshot = self._desk.reader.newest()
        entries, pulse = 0, Pulse(self._desk.ledger, self._desk.clock, self._desk.heartbeat)
        async for _ in self._desk.ledger.entries():
            entries += 1
        return {
            "snapshot": str(snapshot.version),
            "stale": self._desk.reader.stale,
            "facts_version": snapshot.facts.version,
            "facts_valid_until": snapshot.facts.valid_until.isoformat(),
            "entries": entries,
            "keys": await self._keys(),
            "silences": [str(s) for s in await pulse.silences()],
            "clock": write_time(self._desk.clock()),
            "skews": [str(s) for s in await skews.skews(self._desk.ledger, self._desk.clock())],
            "dead_letters": len(await dead_letters.listed(self._desk.bus)),
            "law": await self._rules(),
            "reviews_due": [*relieving.reviews_due(self._desk.controls, self._desk.clock())],
            "unregistered": [*self._unregistered(snapshot)],
        }

    def _unregistered(self, snapshot: Snapshot) -> Iterator[str]:
        """Agents, models and tools that run and are not registered as they are, each with the reason."""
        now = self._desk.clock()
        return (f"{i.ref}: {why}" for i in snapshot.stock if (why := reaches.unknown(snapshot.facts, i, now)))

    async def _rules(self) -> Row:
        """The rules that the gate decides by, who signed them, and why they are not in force, if so."""
        digest = (await activations.active(self._desk.ledger)).digest
        if digest is None:
            return {}
        word = self._desk.controls.ratification(digest)
        fault = self._desk.controls.ratified(digest, self._desk.clock()).fault
        signed = {"by": str(word.by), "valid_until": write_time(word.valid_until)} if word is not None else {}
        return {"digest": digest, "fault": fault, **signed}

    async def _keys(self) -> Row:
        """Of each role whose key was replaced while it ran, the one that it signs with."""
        found: Row = {}
        async for entry in self._desk.ledger.entries(kind=EntryKind.KEY_TAKEN):
            found[str(entry.body.get("role"))] = {k: entry.body.get(k) for k in ("key", "until")}
        return found


def _named(name: str, wanted: str) -> bool:
    """Whether `wanted` is that name or, for a digest, at least its first eight figures."""
    figures = wanted.removeprefix(DIGEST_PREFIX)
    shortened = name.startswith(DIGEST_PREFIX) and len(figures) >= SHORTEST_DIGEST
    return name == wanted or (shortened and name.removeprefix(DIGEST_PREFIX).startswith(figures))


def _part(entry: Entry, name: str) -> Row:
    part = entry.body.get(name)
    return dict(part) if isinstance(part, dict) else {}


def _event_row(incident: Incident, number: int) -> Row:
    event = incident.events[number]
    return {
        "at": (event.occurred_at or event.received_at).isoformat(timespec="milliseconds"),
        "type": event.type.value,
        "severity": event.severity.value,
        "source": event.source,
        "message": event.message,
    }


def _letter_row(letter: DeadLetter) -> Row:
    return {
        "sequence": letter.sequence,
        "stream": letter.stream,
        "consumer": letter.consumer,
        "attempts": letter.attempts,
        "reason": letter.reason,
        "subject": letter.subject,
        "message_id": letter.message_id,
        "replays": letter.replays,
    }
