"""Commands that change something: each is an entry of the ledger before it has any effect, once per signed call.

A request or a proposal becomes a raw message on the front door's own channel; a person's word goes to the gate; a
signed control goes to the ledger and then to everybody who follows. The console decides none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents import folding
from agents.intake.channels import FRONT_DOOR
from agents.intake.commands import Command as Spoken
from agents.intake.receiving import RECEIVED_AT
from console.door import settling
from console.door.calls import Opened, Unauthenticated
from console.door.commands import Approve, Ask, Drop, LedgerErase, Propose, Replay, Reply, Set
from console.door.desk import Desk, NotFound
from estate import canonical
from estate.approvals import Approval
from estate.canonical import Json
from estate.errors import Denied
from estate.events import DirectProposal, Request, event_id
from estate.identities import Subject, SubjectKind
from estate.ids import Digest, IncidentId
from estate.records import write_time
from policies import approving, dsse, erasing, mandates
from policies.ledger.port import Draft, EntryKind
from policies.mandates import Mandate
from tools.bus import dead_letters

_REASON = 200
"""Characters of a letter's reason that the ledger is told when it is dropped."""

type Changing = Ask | Propose | Approve | Set | Replay | Drop | LedgerErase


@dataclass(frozen=True, slots=True)
class _Note:
    """What the ledger is told of a command. Its key is what makes the call single-use."""

    says: str
    key: str
    incident: IncidentId | None = None
    proposal: Digest | None = None
    mandate: Mandate | None = None


class Commanding:
    """Carries out commands on one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, opened: Opened, command: Changing) -> Reply:
        """Record the command, then do it.

        Raises:
            Unauthenticated: this very call was carried out before.
            Denied, BadInput, NotFound, RetryLater.
        """
        match command:
            case Ask():
                return await self._ask(opened, command)
            case Propose():
                return await self._propose(opened, command)
            case Approve():
                return await self._approve(opened, command)
            case Set():
                return await self._set(opened, command)
            case Replay():
                return await self._replay(opened, command)
            case Drop():
                return await self._drop(opened, command)
            case LedgerErase():
                return await self._erase(opened, command)

    async def _ask(self, opened: Opened, command: Ask) -> Reply:
        request = Request(
            text=canonical.clean_text(command.text), requester=opened.caller.subject, tenants=opened.caller.tenants
        )
        mandate = Mandate(person=request.requester, tenants=request.tenants)
        return await self._open_case(opened, Spoken(opened.call.nonce, request=request), mandate)

    async def _propose(self, opened: Opened, command: Propose) -> Reply:
        proposal = DirectProposal(
            summary=canonical.clean_text(command.summary),
            changes=command.changes,
            requester=opened.caller.subject,
            tenants=opened.caller.tenants,
        )
        written = mandates.digest_of(proposal.changes)
        mandate = Mandate(person=proposal.requester, tenants=proposal.tenants, changes=written)
        return await self._open_case(opened, Spoken(opened.call.nonce, proposal=proposal), mandate)

    async def _open_case(self, opened: Opened, spoken: Spoken, mandate: Mandate) -> Reply:
        """The mandate stands in the ledger before the event exists: no agent can speak for anybody without it."""
        said = spoken.request or spoken.proposal
        assert said is not None, "a spoken command holds one of the two"
        incident = folding.incident_id(event_id(FRONT_DOOR, spoken.source, spoken.id))
        says = said.text if isinstance(said, Request) else said.summary
        await self._append(opened, _Note(says, mandates.key(incident), incident, mandate=mandate))
        format = "request" if spoken.request else "proposal"
        body = canonical.dumps({**said.json_form(), "id": spoken.id})
        subject = self._desk.subjects.intake(FRONT_DOOR, format)
        headers = {RECEIVED_AT: write_time(self._desk.clock())}
        await self._desk.bus.publish(subject, body, message_id=spoken.id, headers=headers)
        return Reply(result={"incident": incident})

    async def _approve(self, opened: Opened, command: Approve) -> Reply:
        envelope = command.envelope.encode()
        approval = self._word(opened, envelope)
        held = await self._desk.incidents.find(approval.incident)
        if held is None or not self._desk.sees(opened.caller, held.value):
            raise NotFound(f"no incident `{approval.incident}`; see `placet get incidents`")
        await self._record(opened, f"{approval.word.value} {approval.proposal}", approval.incident, approval.proposal)
        subject = self._desk.subjects.approval(held.value.site)
        await self._desk.bus.publish(subject, envelope, message_id=canonical.digest(envelope))
        return Reply(result={"incident": approval.incident, "word": approval.word.value})

    def _word(self, opened: Opened, envelope: bytes) -> Approval:
        payload = dsse.open_envelope(envelope, approving.PAYLOAD_TYPE, self._desk.enrolments.ring()).payload
        approval = Approval.read(payload)
        if approval.approver != opened.caller.subject:
            raise Denied(f"the word is `{approval.approver}`'s; let them give it themselves")
        return approval

    async def _set(self, opened: Opened, command: Set) -> Reply:
        envelope = command.envelope.encode()
        setting = settling.read(self._desk, opened, command.control, envelope)
        await self._record(opened, setting.says)
        await self._desk.ledger.append(setting.draft)
        subject = self._desk.subjects.control(command.control.value)
        await self._desk.bus.publish(subject, envelope, message_id=canonical.digest(envelope))
        return Reply(result={"control": command.control.value, "set": setting.says})

    async def _replay(self, opened: Opened, command: Replay) -> Reply:
        await self._record(opened, f"dead letter {command.sequence}")
        message_id = await dead_letters.replay(self._desk.bus, command.sequence)
        return Reply(result={"sequence": command.sequence, "message_id": message_id})

    async def _drop(self, opened: Opened, command: Drop) -> Reply:
        letter = await dead_letters.show(self._desk.bus, command.sequence)
        body = canonical.digest(letter.data)
        says = f"drop dead letter {letter.sequence} from {letter.subject}, body {body}: {letter.reason[:_REASON]}"
        await self._record(opened, says)
        await dead_letters.drop(self._desk.bus, letter)
        return Reply(result={"sequence": letter.sequence, "dropped": body})

    async def _erase(self, opened: Opened, command: LedgerErase) -> Reply:
        desk, now = self._desk, self._desk.clock()
        person = Subject(kind=SubjectKind.HUMAN, issuer=desk.installation, name=command.name)
        plan = await erasing.planned(desk.archive, person, desk.enrolments, now)
        told: dict[str, Json] = {
            "bodies": plan.bodies,
            "entries": len(plan.erased),
            "kept": [{"index": e.index, "kind": e.kind.value, "because": why} for e, why in plan.kept],
        }
        if command.dry:
            return Reply(result=told | {"erased": False})
        # Neither entry may name whom they are about: it could never be forgotten again.
        await self._record(opened, f"forget a person: {plan.bodies} bodies")
        await erasing.erase(desk.archive, plan, opened.caller.subject, now, opened.call.nonce)
        return Reply(result=told | {"erased": True})

    async def _record(
        self, opened: Opened, says: str, incident: IncidentId | None = None, proposal: Digest | None = None
    ) -> None:
        await self._append(opened, _Note(says, f"command:{opened.call.nonce}", incident, proposal))

    async def _append(self, opened: Opened, note: _Note) -> None:
        call = opened.call
        body: dict[str, Json] = {
            "verb": call.command.verb,
            "says": canonical.clean_text(note.says),
            "call": call.digest,
        }
        if note.mandate is not None:
            body[mandates.FIELD] = note.mandate.json_form()
        draft = Draft(
            kind=EntryKind.COMMANDED,
            at=self._desk.clock(),
            by=call.subject,
            body=body,
            key=note.key,
            incident=note.incident,
            proposal=note.proposal,
        )
        if not (await self._desk.ledger.append(draft)).created:
            raise Unauthenticated("the call was made before; sign a new one")
