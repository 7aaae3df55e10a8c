"""What is gathered while one object of a cluster is read, and how its names become mentions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from estate import canonical
from estate.errors import BadInput
from estate.observations import Observation
from tools.payloads import reading
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Condition, Fact, Relation, Statement, Status, Tie

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.\-:]{0,251}[a-z0-9])?", re.ASCII)
_MOST_CONDITIONS = 200
_STATUSES = {s.value: s for s in Status}


@dataclass(slots=True)
class Sheet:
    """The facts of one object, as they are read."""

    context: Context
    group: str
    kind: str
    namespace: str
    name: str
    facts: list[Fact] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)

    @property
    def subject(self) -> Mention:
        """The object itself."""
        return self.object(self.kind, self.group, self.namespace, self.name)

    def object(self, kind: str, group: str, namespace: str, name: str) -> Mention:
        """An object of the same cluster."""
        place = "/".join((f"{kind}.{group}" if group else kind, namespace, name))
        return Mention(MentionKind.OBJECT, place, self.context.cluster)

    def node(self, name: str) -> Mention:
        """A node of the same cluster."""
        return Mention(MentionKind.NODE, name, self.context.cluster)

    def say(self, subject: Mention, attribute: Attribute, value: str | int | None) -> None:
        """An attribute, if it is said."""
        if value is not None and value != "":
            self.facts.append(Statement(subject, attribute, value, self.context.witness))

    def tie(self, subject: Mention, tie: Tie, other: Mention) -> None:
        """A relation."""
        self.facts.append(Relation(subject, tie, other, self.context.witness))

    def judge(self, subject: Mention, type: str, status: Status, reason: str = "", message: str = "") -> None:
        """A condition that is not written as one."""
        self.facts.append(Condition(subject, type, status, self.context.witness, reason, message))

    def conditions(self, subject: Mention, holder: reading.Fields) -> None:
        """Every condition of a status, in Kubernetes' form."""
        for number, item in enumerate(holder.items("conditions")[:_MOST_CONDITIONS]):
            self.facts.append(self._condition(subject, reading.Fields(item, f"{holder.place('conditions')}.{number}")))

    def _condition(self, subject: Mention, fields: reading.Fields) -> Condition:
        status = fields.text("status")
        if status not in _STATUSES:
            raise BadInput(f"{fields.place('status')}: `{reading.shown(status)}` is none of True, False, Unknown")
        return Condition(
            subject=subject,
            type=reading.name(fields.text("type")),
            status=_STATUSES[status],
            witness=self.context.witness,
            reason=reading.name(fields.text("reason", "")),
            message=canonical.clean_text(fields.text("message", "")),
            since=fields.time("lastTransitionTime"),
        )


def named(fields: reading.Fields, field: str) -> str:
    """A name of Kubernetes' form, which must be there.

    Raises:
        BadInput: it is missing, or holds what no name may, such as a placeholder that nobody filled in.
    """
    return _fit(fields.text(field), fields.place(field))


def maybe(fields: reading.Fields, field: str) -> str:
    """A name of Kubernetes' form; empty where there is none."""
    found = fields.text(field, "")
    return _fit(found, fields.place(field)) if found else ""


def count(fields: reading.Fields, field: str) -> int | None:
    """A whole number of things; None where there is none."""
    if not fields.has(field):
        return None
    found = fields.number(field, 0)
    if not 0 <= found < 10**9:
        raise BadInput(f"{fields.place(field)}: `{reading.shown(found)[:40]}` is out of range")
    return found


def labels(fields: reading.Fields, field: str) -> Mapping[str, str]:
    """An open map of text."""
    return fields.within(field).texts()


def _fit(text: str, at: str) -> str:
    if _NAME.fullmatch(text) is None:
        hint = "; fill in the placeholder" if "${" in text else ""
        raise BadInput(f"{at}: `{reading.shown(text)}` is not a name that Kubernetes allows{hint}")
    return text
