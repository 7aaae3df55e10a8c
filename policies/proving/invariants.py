"""What no law of Placet may ever permit, said in the words of the schema and without looking at any rule.

Each is a sentence, and the requests that would break it: by members of sets that are or are not there, never by Cedar's
own operators, so that a trap of theirs (`containsAll([])`) is not repeated here. It is asked in every request
environment whose context has what it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import z3

from policies.proving.kinds import Kind, RecordKind, SetKind
from policies.proving.logic import Formula, Term
from policies.proving.sheets import Environment, Sheet
from policies.proving.values import Atom, Fields, Value, sort


@dataclass(frozen=True, slots=True)
class View:
    """The request of one sheet, as invariants speak of it."""

    sheet: Sheet

    def held(self, path: str) -> Atom:
        """What stands at a path of the context."""
        value: Value = self.sheet.context
        for name in path.split("."):
            assert isinstance(value, Fields), path
            value = value.fields[name][1]
        assert isinstance(value, Atom), path
        return value

    def flag(self, path: str) -> Formula:
        """A Boolean."""
        return self.held(path).term

    def number(self, path: str) -> Term:
        """An integer."""
        return self.held(path).term

    def says(self, path: str, *words: str) -> Formula:
        """Whether a string is one of these."""
        return z3.Or([self.held(path).term == self.sheet.space.strings.code(w) for w in words])

    def some(self, path: str, such: Callable[[Term], Formula] = lambda _: z3.BoolVal(True)) -> Formula:
        """Whether a set has a member such that something holds."""
        found = self.held(path)
        assert isinstance(found.kind, SetKind), path
        member = z3.FreshConst(sort(found.kind.element), path)
        return z3.And(z3.Select(found.term, member), such(member))

    def none(self, path: str) -> Formula:
        """Whether a set has no member."""
        found = self.held(path)
        assert isinstance(found.kind, SetKind), path
        return found.term == z3.EmptySet(sort(found.kind.element))

    def among(self, member: Term, path: str) -> Formula:
        """Whether a set has that member."""
        return z3.Select(self.held(path).term, member)

    def word(self, text: str) -> Term:
        """A string."""
        return self.sheet.space.strings.term(text)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that is never permitted."""

    name: str
    says: str
    guards: str
    """The file of rules that is there for it."""
    reads: tuple[str, ...]
    broken: Callable[[View], Formula]
    """Holds of the requests that would break it."""
    of: tuple[str, ...] = ()
    """The actions, or groups of them, that it is about; none: whatever has what it reads."""

    def applies(self, environment: Environment, groups: frozenset[str]) -> bool:
        """Whether it is about that kind of request."""
        about = not self.of or bool(groups.intersection(self.of))
        return about and all(_has(environment.context, path) for path in self.reads)


def _has(kind: Kind, path: str) -> bool:
    for name in path.split("."):
        found = kind.of(name) if isinstance(kind, RecordKind) else None
        if found is None or not found.required:
            return False
        kind = found.kind
    return True


def _axis(axis: str) -> tuple[Invariant, ...]:
    allowed, found, unknown = (f"{axis}.{part}" for part in ("allowed", "found", "unknown"))
    reads, guards = ("places", allowed, found, unknown), f"sovereignty-{axis}"

    def outside(v: View) -> Formula:
        return z3.And(v.flag("places"), v.some(found, lambda c: z3.Not(v.among(c, allowed))))

    def untold(v: View) -> Formula:
        return z3.And(v.flag("places"), z3.Or(v.none(allowed), v.none(found), v.some(unknown)))

    return (
        Invariant(f"{axis}-limits", f"nothing is placed where its {axis} exposure holds a country outside its limits",
                  guards, reads, outside),
        Invariant(f"{axis}-known", f"nothing is placed while its {axis} limits or exposure are empty or partly unknown",
                  guards, reads, untold),
    )  # fmt: skip


def _close(v: View) -> Formula:
    """Another tenant nearer than this one was promised."""
    node, rack, cluster = (v.some(f"beside.{where}") for where in ("onNode", "inRack", "inCluster"))
    level = "beside.isolation"
    return z3.And(
        v.flag("places"),
        z3.Or(
            z3.And(v.says(level, "dedicated-node", "dedicated-rack", "dedicated-cluster"), node),
            z3.And(v.says(level, "dedicated-rack", "dedicated-cluster"), rack),
            z3.And(v.says(level, "dedicated-cluster"), cluster),
        ),
    )


_LEVELS: Final = ("shared-node", "dedicated-node", "dedicated-rack", "dedicated-cluster")
_ALONE: Final = ("beside.apart", "beside.aloneOnNode", "beside.aloneInRack", "beside.aloneInCluster")


def _differ(one: str, other: str) -> Callable[[View], Formula]:
    """A member of either set that the other has not."""
    return lambda v: z3.Or(
        v.some(one, lambda m: z3.Not(v.among(m, other))), v.some(other, lambda m: z3.Not(v.among(m, one)))
    )


def _foreign(v: View) -> Formula:
    """Somebody acts for tenants, and this is another's."""
    return z3.And(v.some("who.actsFor"), z3.Not(v.among(v.held("tenant").term, "who.actsFor")))


def _shared_node(v: View) -> Formula:
    others = v.some("tenants", lambda t: z3.Not(v.among(t, "who.actsFor")))
    return z3.And(v.some("who.actsFor"), z3.Or(others, v.none("tenants")))


def _unasked(v: View) -> Formula:
    return z3.And(z3.Not(v.says("consent", "automatic")), v.number("ownerApprovals") < 1)


INVARIANTS: Final[tuple[Invariant, ...]] = (
    *_axis("geographic"),
    *_axis("legal"),
    *_axis("operational"),
    *_axis("key"),
    Invariant("transfers-in-force", "nothing is placed whose reach into a country rests on a transfer that has ended",
              "transfers", ("places", "lapsed"), lambda v: z3.And(v.flag("places"), v.some("lapsed"))),
    Invariant("facts-by-another", "nothing is executed on facts that its proposer wrote",
              "facts-complete", ("factsByAnother",), lambda v: z3.Not(v.flag("factsByAnother"))),
    Invariant("registered-mind", "nothing is executed that an agent, a model or a tool made which nobody registered",
              "components", ("mind.unregistered",), lambda v: v.some("mind.unregistered")),
    Invariant("registered-content", "nothing is executed that was made by another digest than the registered one",
              "components", ("mind.altered",), lambda v: v.some("mind.altered")),
    Invariant("registered-now", "nothing is executed that was made by whoever is registered no more",
              "components", ("mind.lapsed",), lambda v: v.some("mind.lapsed")),
    Invariant("registered-reach", "nothing is executed whose maker may not see the tenants or the data concerned",
              "components", ("mind.outside",), lambda v: v.some("mind.outside")),
    Invariant("model-reach", "nothing is executed that a model planned for a tenant whose data it may not see",
              "model-reach", ("mind.beyond",), lambda v: v.some("mind.beyond")),
    Invariant("missing-facts", "nothing is permitted while a fact that it needs is missing",
              "facts-complete", ("missing",), lambda v: v.some("missing")),
    Invariant("law-in-force", "nothing is executed under rules that nobody signed, or whose signature has ended",
              "law-in-force", ("lawInForce",), lambda v: z3.Not(v.flag("lawInForce"))),
    Invariant("facts-in-force", "nothing is executed on facts that have expired",
              "facts-complete", ("factsInForce",), lambda v: z3.Not(v.flag("factsInForce"))),
    Invariant("plan-current", "no plan is executed on another estate than it was made for",
              "facts-complete", ("layoutMatches",), lambda v: z3.Not(v.flag("layoutMatches"))),
    Invariant("own-tenant", "whoever acts for tenants touches nothing of another tenant",
              "tenant-eviction", ("tenant", "who.actsFor"), _foreign),
    Invariant("own-nodes", "whoever acts for tenants touches no node that others use, or nobody",
              "tenant-eviction", ("tenants", "who.actsFor"), _shared_node, ("ChangeNode",)),
    Invariant("devices-under-work", "no accelerators are cut on a node on which anybody's work runs",
              "tenant-devices", ("tenants", "reserved"), lambda v: v.some("tenants"), ("ChangeNode",)),
    Invariant("promised-distance", "nothing is placed nearer to another tenant than its own was promised",
              "tenant-isolation", ("places", "beside.isolation", "beside.onNode", "beside.inRack", "beside.inCluster"),
              _close),
    Invariant("neighbours-distance", "nothing is placed nearer to a tenant than that tenant was promised",
              "tenant-isolation", ("places", *_ALONE), lambda v: z3.And(v.flag("places"), z3.Or(*map(v.some, _ALONE)))),
    Invariant("known-isolation", "nothing is placed of a tenant whose promised isolation is not known",
              "tenant-isolation", ("places", "beside.isolation"),
              lambda v: z3.And(v.flag("places"), z3.Not(v.says("beside.isolation", *_LEVELS)))),
    Invariant("granted-data", "nothing is placed that uses another tenant's data without a grant",
              "tenant-data", ("places", "ungranted"), lambda v: z3.And(v.flag("places"), v.some("ungranted"))),
    Invariant("own-storage", "nothing is placed that is attached to storage which is not its tenant's by facts",
              "tenant-attachment", ("places", "foreign.storage"),
              lambda v: z3.And(v.flag("places"), v.some("foreign.storage")), ("ChangeWorkload",)),
    Invariant("own-networks", "nothing is placed or applied that joins a network which is not its tenant's by facts",
              "tenant-attachment", ("places", "foreign.networks"),
              lambda v: z3.And(v.flag("places"), v.some("foreign.networks"))),
    Invariant("own-evidence", "nobody but whoever sees everything reads what tells of a tenant that they may not see",
              "tenant-evidence", ("everything", "sees", "tells"),
              lambda v: z3.And(z3.Not(v.flag("everything")), v.some("tells", lambda t: z3.Not(v.among(t, "sees"))))),
    Invariant("own-evidence-of-proposals", "nothing is executed for tenants whose evidence tells of another tenant",
              "tenant-evidence", ("told", "who.actsFor"),
              lambda v: z3.And(v.some("who.actsFor"), v.some("told", lambda t: z3.Not(v.among(t, "who.actsFor"))))),
    Invariant("idle-machines", "no machine is given back that runs work, is reserved or takes new work",
              "machines-idle", ("used",), lambda v: v.some("used")),
    Invariant("system-objects", "no object is written in a system namespace",
              "system-namespace", ("system",), lambda v: v.flag("system"), ("ChangeObject",)),
    Invariant("system-copies", "no workload is copied into a system namespace",
              "system-namespace", ("system",), lambda v: v.flag("system"), ("CopyWorkload",)),
    Invariant("signed-person", "nothing is executed for another person than signed the command, or for one who did not",
              "mandate", ("mandate.persons", "mandate.claimed"), _differ("mandate.persons", "mandate.claimed")),
    Invariant("signed-tenants", "nothing is executed for other tenants than whoever commanded it speaks for",
              "mandate", ("mandate.tenants", "who.actsFor"), _differ("mandate.tenants", "who.actsFor")),
    Invariant("signed-changes", "nothing is executed that differs from what a person wrote and signed",
              "mandate", ("mandate.asWritten",), lambda v: z3.Not(v.flag("mandate.asWritten"))),
    Invariant("barred-approver", "no approval counts of somebody who proposed, is represented or executes",
              "approval-self", ("people.approvers", "people.barred"),
              lambda v: v.some("people.approvers", lambda p: v.among(p, "people.barred"))),
    Invariant("policy-author", "no approval counts that was given in the role of the policy's author",
              "approval-self", ("people.roles",),
              lambda v: v.some("people.roles", lambda r: r == v.word("policy-author"))),
    Invariant("humans-only", "no approval counts of anybody but humans",
              "approval-self", ("people.kinds",), lambda v: v.some("people.kinds", lambda k: k != v.word("human"))),
    Invariant("consent-to-disruption", "no running replica of a tenant that wants to be asked is disturbed unasked",
              "approvals", ("disrupted", "consent", "ownerApprovals"),
              lambda v: z3.And(v.number("disrupted") > 0, _unasked(v))),
    Invariant("consent-to-objects", "no object that a tenant's running work may feel is changed without its consent",
              "approvals", ("disturbs", "consent", "ownerApprovals"),
              lambda v: z3.And(v.flag("disturbs"), _unasked(v))),
    Invariant("mode-approve", "in mode approve nothing is executed without an operator's approval",
              "approvals", ("mode", "operatorApprovals"),
              lambda v: z3.And(v.says("mode", "approve"), v.number("operatorApprovals") < 1)),
)  # fmt: skip
"""Those of tier 0 first; the last three are of the approvals that a house writes itself and may not leave out."""
