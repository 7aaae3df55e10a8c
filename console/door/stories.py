"""Ledger entries as lines that a person reads. Pure; every kind of entry has its sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from console.door.views import Row
from estate import canonical
from estate.canonical import Json
from policies import dsse
from policies.ledger.port import Entry, EntryKind

type Body = Mapping[str, Any]


def line(entry: Entry) -> Row:
    """Index, time, kind, author and one sentence."""
    return {
        "index": entry.index,
        "at": entry.at.isoformat(timespec="milliseconds"),
        "kind": entry.kind.value,
        "by": entry.by,
        "says": says(entry.kind, entry.body),
    }


def says(kind: EntryKind, body: Mapping[str, Json]) -> str:
    """What an entry says, in a sentence; an erased body leaves its kind."""
    try:
        return _SENTENCES[kind](body)
    except (KeyError, TypeError, AttributeError):
        return kind.value.replace("-", " ")


def findings(verdict: Mapping[str, Json]) -> list[Row]:
    """The failed dimensions of a verdict as rows."""
    failures = verdict.get("failures")
    return [_finding(f) for f in failures if isinstance(f, dict)] if isinstance(failures, list) else []


def _finding(failure: Mapping[str, Json]) -> Row:
    return {k: failure.get(k) for k in ("dimension", "policy", "about", "needed", "found", "remedy")}


def _proposed(body: Body) -> str:
    proposal = body["proposal"]
    return f"attempt {proposal['attempt']}: {proposal['summary']} ({len(proposal['steps'])} steps)"


def _decided(body: Body) -> str:
    verdict = body["verdict"]
    reasons = "; ".join(f"{f['dimension']} ({f['policy']}): {f['reason']}" for f in verdict["failures"])
    asked = "; ".join(f"{r['count']} × {r['role']} ({r['policy']})" for r in verdict["requirements"])
    policies = ", ".join(verdict["policies"])
    because = policies if verdict["decision"] == "permit" else reasons or asked or policies
    return f"{verdict['decision']} in mode {verdict['mode']}: {because}"


def _worded(word: str) -> Callable[[Body], str]:
    def sentence(body: Body) -> str:
        approval = body["approval"]
        return f"{approval['approver']['name']} {word}{_because(approval.get('reason'))}"

    return sentence


def _issued(body: Body) -> str:
    warrant = body["warrant"]
    owed = ", ".join(o["kind"] for o in warrant.get("obligations", ()))
    told = f"warrant for {warrant['audience']}, {len(warrant['steps'])} steps, expires {warrant['expires_at']}"
    return f"{told}, owes {owed}" if owed else told


def _step(what: str) -> Callable[[Body], str]:
    return lambda body: f"step {body['step']} {what}: {body['change']}{_because(body.get('reason'))}"


def _outcome(body: Body) -> str:
    done = sum(1 for s in body["steps"] if s["applied"] and not s["undone"])
    return f"{body['ending']}, {done} of {len(body['steps'])} steps stand{_because(body.get('reason'))}"


def _notified(body: Body) -> str:
    notice = body["notice"]
    whom = [f"{role}s" for role in notice["roles"]] + [f"of {t}" for t in notice["tenants"]]
    return f"told {', '.join(whom)} of {len(notice['lines'])} steps to come"


def _canary(body: Body) -> str:
    return f"{body['canary']['steps']} steps for {body['canary']['soak_seconds']} s"


def _post_checked(body: Body) -> str:
    found = "still as promised" if body["held"] else f"did not last: {'; '.join(body['faults'])}"
    return f"looked again ({', '.join(body['checks'])}): {found}"


def _frozen(body: Body) -> str:
    record = _sealed(body)
    return f"{'freeze' if record['frozen'] else 'unfreeze'} of {_where(record)}{_because(record.get('reason'))}"


def _mode(body: Body) -> str:
    record = _sealed(body)
    return f"mode {record['mode']} for {_where(record)}"


def _excepted(body: Body) -> str:
    record = _sealed(body)
    where = f"{_where(record)}{f', {record["target"]}' if record['target'] else ''}"
    if record["revoked"]:
        return f"no exception to {record['rule']} any more for {where}{_because(record['reason'])}"
    return f"exception to {record['rule']} for {where} until {record['valid_until']}{_because(record['reason'])}"


def _glass(body: Body) -> str:
    record = _sealed(body)
    done = {"break": "broke the glass", "second": "seconded that", "review": "reviewed what was done"}[record["word"]]
    return f"{record['by']['name']} {done} for {_where(record)}{_because(record['reason'])}"


def _ratified(body: Body) -> str:
    record = _sealed(body)
    what = ", ".join(record["bundles"])
    if record["revoked"]:
        return f"rules {what} are no law any more{_because(record['reason'])}"
    wrote = f", written by {record['author']['name']}" if record["author"] else ""
    return f"rules {what} signed until {record['valid_until']}{wrote}{_because(record['reason'])}"


def _enrolled(body: Body) -> str:
    record = _sealed(body)
    word = "revoked" if record["revoked"] else "enrolled"
    roles = f" as {', '.join(record['roles'])}" if record["roles"] else ""
    return f"{record['subject']['name']} {word} with key {record['key_id']}{roles}"


def _sealed(body: Body) -> Body:
    """What a signed setting says. Its signature was verified before it became an entry."""
    form = canonical.loads(dsse.stated_payload(body["envelope"].encode()))
    assert isinstance(form, dict), "a signed setting is an object"
    return form


def _where(record: Body) -> str:
    scope = record["scope"]
    parts = [f"{kind} {scope[kind]}" for kind in ("site", "tenant") if scope.get(kind)]
    return " and ".join(parts) or "everything"


def _because(reason: object) -> str:
    return f": {reason}" if reason else ""


_SENTENCES: Mapping[EntryKind, Callable[[Body], str]] = {
    EntryKind.PROPOSED: _proposed,
    EntryKind.DECIDED: _decided,
    EntryKind.APPROVED: _worded("approved"),
    EntryKind.DENIED: _worded("denied"),
    EntryKind.ISSUED: _issued,
    EntryKind.CONSUMED: lambda body: f"{body['holder']} took the warrant",
    EntryKind.RESUMED: lambda body: f"{body['holder']} took the execution over",
    EntryKind.STEP_STARTED: _step("started"),
    EntryKind.STEP_APPLIED: _step("applied"),
    EntryKind.STEP_FAILED: _step("failed"),
    EntryKind.UNDO_STARTED: _step("is being undone"),
    EntryKind.UNDO_APPLIED: _step("undone"),
    EntryKind.UNDO_FAILED: _step("could not be undone"),
    EntryKind.NOTIFIED: _notified,
    EntryKind.PRESERVED: lambda body: f"{len(body['things'])} things kept as they stand, {body['things_digest']}",
    EntryKind.CANARY_STARTED: lambda body: f"canary of {_canary(body)} holds and soaks",
    EntryKind.CANARY_PASSED: lambda body: f"canary of {_canary(body)} has held; the rest follows",
    EntryKind.OUTCOME: _outcome,
    EntryKind.POST_CHECKED: _post_checked,
    EntryKind.FROZEN: _frozen,
    EntryKind.MODE_SET: _mode,
    EntryKind.EXCEPTED: _excepted,
    EntryKind.GLASS: _glass,
    EntryKind.RATIFIED: _ratified,
    EntryKind.ENROLLED: _enrolled,
    EntryKind.FACTS_LOADED: lambda body: f"facts version {body['version']} in force, {body['digest']}",
    EntryKind.BUNDLE_LOADED: lambda body: f"rules version {body['version']} in force, {body['digest']}",
    EntryKind.KEY_TAKEN: lambda body: f"the {body['role']} signs with {body['key']} from now on",
    EntryKind.HEARTBEAT: lambda body: f"the gate is there, as every {body['period_seconds']} s",
    EntryKind.ERASED: lambda body: f"{body['bodies']} bodies erased, of {len(body['entries'])} entries",
    EntryKind.COMMANDED: lambda body: f"{body['verb']}: {body['says']}",
}
