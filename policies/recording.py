"""What the gate writes in the ledger: one draft for each thing that happens, and each tenant's own part of it.

Pure. A projection holds that tenant's lines and failures only; who else is concerned is not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from estate import canonical
from estate.approvals import Approval, Word
from estate.canonical import Json
from estate.errors import BadInput
from estate.identities import Subject, SubjectKind
from estate.ids import Digest, InstallationId, KeyId, TenantId
from estate.proposals import Proposal
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant
from policies import approving, words
from policies.domains import Counts, Domain, Sort
from policies.ledger.port import Draft, EntryKind
from policies.questions import Matter, Ruling

type Body = Mapping[str, Json]


def gate(installation: InstallationId) -> Subject:
    """The gate as the ledger names it."""
    return Subject(kind=SubjectKind.GATE, issuer=installation, name="gate")


def proposed_key(proposal: Digest) -> str:
    """The key of the entry that holds the proposal."""
    return f"proposed:{proposal}"


def issued_key(proposal: Digest) -> str:
    """The key of the entry that holds the one warrant of the proposal."""
    return f"issued:{proposal}"


def approval_key(approval: Digest) -> str:
    """The key of the entry that holds a person's word."""
    return f"approval:{approval}"


def decided_key(proposal: Digest, given: Iterable[Digest]) -> str:
    """One decision for each set of words that people gave, lapsed permits counted among them: a redelivery finds it."""
    words: list[Json] = [*sorted(given)]
    return f"decided:{proposal}:{canonical.digest_of(words)}"


def proposed(
    proposal: Proposal, matter: Matter, snapshot: Snapshot, tenants: Iterable[TenantId], at: datetime
) -> Draft:
    """The proposal, before it is decided."""
    return Draft(
        kind=EntryKind.PROPOSED,
        at=at,
        by=proposal.proposer,
        body={"proposal": proposal.json_form()},
        key=proposed_key(matter.proposal),
        incident=proposal.incident,
        proposal=matter.proposal,
        projections={t: _own_lines(matter, t, snapshot) for t in tenants},
    )


def decided(ruling: Ruling, key: str, tenants: Iterable[TenantId]) -> Draft:
    """The verdict with what it read, before a warrant may be issued.

    What was read stands in the body alone, so that a candidate of the law can be asked the same again.
    """
    verdict = ruling.verdict
    return Draft(
        kind=EntryKind.DECIDED,
        at=verdict.decided_at,
        by=gate(verdict.installation),
        body={"verdict": verdict.json_form(), "read_set": ruling.read.form()},
        key=key,
        incident=verdict.incident,
        proposal=verdict.proposal,
        projections={t: _own_findings(verdict, t) for t in tenants},
    )


def issued(
    warrant: Warrant, envelope: bytes, verdict: Verdict, disturbed: Counts, tenants: Iterable[TenantId]
) -> Draft:
    """The sealed warrant, before anybody may have it, with what it counts for in the breakers from now on."""
    counts: list[Json] = [[sort.value, name, count] for (sort, name), count in sorted(disturbed.items())]
    part: Body = {"proposal": warrant.proposal, "warrant": warrant.digest, "expires_at": warrant.expires_at.isoformat()}
    return Draft(
        kind=EntryKind.ISSUED,
        at=warrant.issued_at,
        by=gate(warrant.installation),
        body={
            "envelope": envelope.decode(),
            "warrant": warrant.json_form(),
            "verdict": verdict.json_form(),
            "disturbed": counts,
        },
        key=issued_key(warrant.proposal),
        incident=warrant.incident,
        proposal=warrant.proposal,
        projections=dict.fromkeys(tenants, part),
    )


def disturbed(body: Body) -> Counts:
    """What an issued warrant counts for, as its entry says; nothing of one from before it was written there."""
    counts, found = body.get("disturbed"), Counter[Domain]()
    for one in counts if isinstance(counts, list) else []:
        match one:
            case [str(sort), str(name), int(count)]:
                found[Sort(sort), name] = count
            case _:
                raise BadInput(f"an issued warrant counts for `{one}`, which is no domain; see `placet ledger verify`")
    return found


def worded(approval: Approval, key: KeyId, envelope: bytes, tenants: Iterable[TenantId], at: datetime) -> Draft:
    """A person's word, before it may count."""
    said = EntryKind.APPROVED if approval.word is Word.APPROVE else EntryKind.DENIED
    part: Body = {"proposal": approval.proposal, "word": approval.word.value, "diff": approval.diff}
    return Draft(
        kind=said,
        at=at,
        by=approval.approver,
        body={"approval": approval.json_form(), "key": key, "envelope": envelope.decode()},
        key=approval_key(approval.digest),
        incident=approval.incident,
        proposal=approval.proposal,
        projections=dict.fromkeys(tenants, part),
    )


def _own_lines(matter: Matter, tenant: TenantId, snapshot: Snapshot) -> Body:
    diff = approving.diff_of(matter.proposal, matter.steps, tenant, snapshot)
    return {"proposal": matter.proposal, "diff": diff.json_form()}


def _own_findings(verdict: Verdict, tenant: TenantId) -> Body:
    failures: list[Json] = [words.own_part(f).json_form() for f in verdict.failures if f.tenant == tenant]
    requirements: list[Json] = [r.json_form() for r in verdict.requirements if r.tenant == tenant]
    return {
        "proposal": verdict.proposal,
        "decision": verdict.decision.value,
        "failures": failures,
        "requirements": requirements,
    }
