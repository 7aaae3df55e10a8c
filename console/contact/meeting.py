"""First contact: look at a cluster, ask the law about what runs there, foresee what would be done. It changes nothing.

Called by `placet connect`. It needs no installation. What it sends are gets and lists and, unless they are left out,
questions about its own credentials (`contact.rights`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import yaml

from agents.minds.runbook import Runbook
from console.contact import describing, drafting, foreseeing, grounds, listing, troubles
from console.contact.describing import Inventory
from console.contact.foreseeing import Foreseen, Means
from console.contact.grounds import Ground, LawBase
from console.contact.listing import Identity, Say, Sight
from console.contact.rights import Rights, rights
from estate.ids import ClusterId, Uid
from estate.modes import Mode
from estate.records import Model
from policies.bundle import Bundle
from policies.reviewing import Review, review
from tools.kubernetes.connecting import Access, Connection
from tools.placement.engine import MaskEngine

_IDENTITY_REQUESTS: Final = 2


class Known(Model):
    """The law base that the cluster was looked at under."""

    source: str
    knows_cluster: bool
    """Whether it knows the cluster by its uid. Where not, everything there is unknown, and denied."""


class Sent(Model):
    """What was sent to the API server."""

    reads: int
    """Gets and lists; no watch."""
    questions: int
    """Creates of SelfSubject…Reviews, which keep nothing."""
    writes: int = 0


class Report(Model):
    """Everything that first contact tells."""

    cluster: ClusterId
    uid: Uid
    version: str
    facts: Known
    mode: Mode = Mode.OBSERVE
    inventory: Inventory
    kept_out: dict[str, str]
    reviews: tuple[Review, ...]
    foreseen: tuple[Foreseen, ...]
    rights: Rights | None
    """None: it was not asked."""
    sent: Sent
    next: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meeting:
    """A report, and what a draft of facts is made from."""

    report: Report
    ground: Ground
    labels: drafting.Labels

    def draft(self, now: datetime) -> str:
        """A skeleton of facts. Raises BadInput where the facts know the cluster already."""
        return drafting.draft(self.ground, self.report.inventory, self.labels, now)


async def meet(access: Access, base: LawBase, now: datetime, say: Say, *, ask: bool = True) -> Meeting:
    """Look once. `ask`: whether the credentials are asked about.

    Raises:
        Denied: the credentials are not accepted, or may not even read who the cluster is.
        BadInput: the kubeconfig cannot be read.
        RetryLater: the API server does not answer.
    """
    async with await Connection.open(access) as connection:
        identity = await listing.identify(connection)
        ground = grounds.recognise(base, identity.uid, _called(access))
        sight = await listing.look(connection, ground, say)
        held = await rights(connection) if ask else None
    return Meeting(await report(Found(access, identity, ground, sight, held), now), ground, sight.labels)


@dataclass(frozen=True, slots=True)
class Found:
    """What first contact came back with."""

    access: Access
    identity: Identity
    ground: Ground
    sight: Sight
    held: Rights | None


async def report(found: Found, now: datetime) -> Report:
    """What is told of it: the law asked, and what would be done foreseen. No I/O but the rules' own files."""
    bundle, estate = Bundle.load(), found.sight.estate
    reviews = review(estate, bundle, now)
    means = Means(bundle, MaskEngine(), Runbook(), now)
    return Report(
        cluster=found.ground.cluster,
        uid=found.identity.uid,
        version=found.identity.version,
        facts=Known(source=found.ground.source, knows_cluster=found.ground.known),
        inventory=describing.describe(estate),
        kept_out=found.sight.kept_out,
        reviews=reviews,
        foreseen=await foreseeing.foresee(estate, troubles.troubles(estate, reviews), means),
        rights=found.held,
        sent=_sent(found),
        next=advice(found.access, found.ground, found.held),
    )


def _sent(found: Found) -> Sent:
    held = found.held
    reads = found.sight.requests + _IDENTITY_REQUESTS + (held.reads if held else 0)
    return Sent(reads=reads, questions=held.questions if held else 0)


def advice(access: Access, ground: Ground, held: Rights | None) -> tuple[str, ...]:
    """The next steps, as lines to read and to type."""
    own = held is not None and held.suffices
    return (*_facts_first(ground, access), *_reader_next(access, held), *_configured(ground, access, own))


def _facts_first(ground: Ground, access: Access) -> tuple[str, ...]:
    if ground.known:
        return ()
    given = _flags(access)
    return (
        f"no fact knows this cluster (uid {ground.uid}): write a skeleton, fill it in, look again, have it signed",
        f"  placet connect {given} --draft-facts facts.yaml",
        f"  placet connect {given} --facts facts.yaml",
        "  placet init --facts facts.yaml",
    )


def _reader_next(access: Access, held: Rights | None) -> tuple[str, ...]:
    if held is not None and held.suffices:
        return ()
    given = _flags(access)
    return (
        f"these credentials {_unfit(held)}: make a reader, and put its token into a kubeconfig of its own",
        f"  placet policy export rbac | kubectl {given} apply --server-side -f -",
        f"  kubectl {given} -n placet-system create token placet-reader --duration 24h",
    )


def _unfit(held: Rights | None) -> str:
    if held is None:
        return "were not asked about"
    if not held.reader:
        return "can write, and `placet run` refuses them as a reader"
    return "may not read everything that a reader needs"


def _configured(ground: Ground, access: Access, own: bool) -> tuple[str, ...]:
    """`own`: the credentials at hand are a reader's."""
    context = {"context": access.context} if access.context else {}
    credentials = {"kubeconfig": str(access.kubeconfig), **context} if own else {"kubeconfig": "reader.kubeconfig"}
    form = {"clusters": [{"id": str(ground.cluster), "reader": credentials}]}
    lines = yaml.safe_dump(form, sort_keys=False).splitlines()
    return ("then watch it: this in placet.yaml, and `placet run`, which observes", *(f"  {line}" for line in lines))


def _flags(access: Access) -> str:
    """As `placet` and `kubectl` take them."""
    return f"--kubeconfig {access.kubeconfig}{f' --context {access.context}' if access.context else ''}"


def _called(access: Access) -> str:
    """What its owner calls the cluster: the context, as far as the kubeconfig says one."""
    if access.context or access.kubeconfig is None:
        return access.context or ""
    try:
        form = yaml.safe_load(Path(access.kubeconfig).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ""
    return str(form.get("current-context") or "") if isinstance(form, dict) else ""
