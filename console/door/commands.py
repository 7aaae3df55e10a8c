"""What may be asked at the front door: a closed union of typed commands and queries, and the one shape of an answer.

CLI, web, chat and MCP send these and nothing else. A command says *what*; who asks, and when, stands in the signed
call around it (`console.door.calls`).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from estate.canonical import Json
from estate.changes import Change
from estate.ids import Digest, IncidentId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.records import Model, Record, Time
from estate.snapshots import SnapshotVersion
from tools.placement.assurance.domains import Word
from tools.placement.offering.requests import Request
from tools.placement.planning.plans import Goal
from tools.placement.supposing.suppositions import Supposition
from tools.views import things
from tools.views.selecting import Condition

LARGEST_REPLY_BYTES = 256 * 1024


class ExitCode(IntEnum):
    """DESIGN §10: what a reply means, and what the CLI exits with."""

    OK = 0
    ERROR = 1
    USAGE = 2
    FORBIDDEN = 3
    UNAUTHENTICATED = 4
    NOT_FOUND = 5
    APPROVAL_PENDING = 6
    ROLLED_BACK = 7
    TIMEOUT = 8


class Kind(StrEnum):
    """What `get` and `describe` know."""

    INCIDENT = "incident"
    PROPOSAL = "proposal"
    WARRANT = "warrant"
    NODE = "node"
    WORKLOAD = "workload"
    RACK = "rack"
    TENANT = "tenant"
    RELIEF = "relief"
    """Exceptions to rules, and broken glass."""
    SETTING = "setting"
    """What people have signed: freezes, modes, exceptions, rules in force, enrolments."""
    NOTICE = "notice"
    """What people were told of changes, before they began and when they did not last."""


class Control(StrEnum):
    """The signed settings that gate and executor follow."""

    FREEZE = "freeze"
    MODE = "mode"
    ENROLMENT = "enrolment"
    EXCEPTION = "exception"
    GLASS = "glass"
    RATIFICATION = "ratification"


Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
EnvelopeText = Annotated[str, StringConstraints(min_length=1, max_length=64 * 1024)]


class Ask(Model):
    """Ask for something in words; a case opens."""

    verb: Literal["ask"] = "ask"
    text: Text


class Propose(Model):
    """Propose changes of one's own; a case opens."""

    verb: Literal["propose"] = "propose"
    summary: Text
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)


class Approve(Model):
    """Carry an approval or a denial, signed by the caller for exactly one proposal and the diff they were shown."""

    verb: Literal["approve"] = "approve"
    envelope: EnvelopeText


class Set(Model):
    """Carry a freeze, a mode, an enrolment, an exception or a word on broken glass, signed by the caller."""

    verb: Literal["set"] = "set"
    control: Control
    envelope: EnvelopeText


def _estate_kind(text: str) -> str:
    if text not in things.KINDS:
        raise ValueError(f"no kind `{text}`; there are {', '.join(sorted({*Kind, *things.KINDS}))}")
    return text


EstateKind = Annotated[str, AfterValidator(_estate_kind)]
"""Any kind of the estate (`tools.views.things.KINDS`)."""


class Get(Model):
    """Things of one kind, or the one of that name; narrowed by conditions on their fields, by site and by tenant."""

    verb: Literal["get"] = "get"
    what: Annotated[Kind | EstateKind, Field(union_mode="left_to_right")]
    name: str | None = None
    where: tuple[Condition, ...] = Field(default=(), max_length=16)
    site: SiteId | None = None
    tenant: TenantId | None = None


class Describe(Model):
    """One thing with its story."""

    verb: Literal["describe"] = "describe"
    what: Annotated[Kind | EstateKind, Field(union_mode="left_to_right")]
    name: str


class Ranked(StrEnum):
    """What `top` ranks."""

    NODES = "nodes"
    RACKS = "racks"
    SITES = "sites"
    TENANTS = "tenants"
    DEVICES = "devices"


class Order(StrEnum):
    """What `top` ranks by."""

    USE = "use"
    POWER = "power"
    TEMPERATURE = "temperature"


class Top(Model):
    """Who uses most."""

    verb: Literal["top"] = "top"
    what: Ranked
    by: Order = Order.USE
    site: SiteId | None = None
    limit: int = Field(default=20, ge=1, le=1000)


class Topology(Model):
    """Site, row, rack and node as a tree. `nodes` None: where there are not too many."""

    verb: Literal["topology"] = "topology"
    site: SiteId | None = None
    rack: RackId | None = None
    nodes: bool | None = None


class Coverage(Model):
    """Which layer of which site is known, from whom, and how old the word is."""

    verb: Literal["coverage"] = "coverage"
    site: SiteId | None = None


class History(Model):
    """What was said of one thing, version by version; or how it was under one version or at one time."""

    verb: Literal["history"] = "history"
    what: EstateKind
    name: str
    version: SnapshotVersion | None = None
    at: Time | None = None


class Drifted(Model):
    """What has drifted from how it should be: all in sight, or of one kind and name."""

    verb: Literal["drift"] = "drift"
    what: Literal["node", "workload", "object"] | None = None
    name: str | None = None


class LawReported(Model):
    """What runs where under which facts, what is unlawful, and which facts end within so many days."""

    verb: Literal["law-report"] = "law-report"
    days: int = Field(default=90, ge=1, le=3650)


class Assured(Model):
    """Whether all that is promised has a second home after each single loss."""

    verb: Literal["assurance"] = "assurance"
    losses: tuple[Word, ...] = ()
    """Of what one is lost; empty: of everything."""


class Supposed(Model):
    """What would be otherwise if these things were so, in this order."""

    verb: Literal["what-if"] = "what-if"
    supposed: tuple[Supposition, ...] = Field(min_length=1, max_length=64)


class Why(Model):
    """Why replicas of a workload wait, and what would let them in."""

    verb: Literal["why"] = "why"
    workload: WorkloadId
    sites: tuple[SiteId, ...] = Field(default=(), max_length=64)
    plainly: bool = False
    """As the holder of the contract would be told, whoever asks."""


class WouldPlace(Model):
    """Where replicas of a workload would go, if they were placed now."""

    verb: Literal["place"] = "place"
    workload: WorkloadId
    replicas: tuple[int, ...] = Field(default=(), max_length=1000)
    """Empty: those that wait; all of them where none does."""
    sites: tuple[SiteId, ...] = Field(default=(), max_length=64)
    avoid: tuple[NodeId, ...] = Field(default=(), max_length=1000)


class OfferAsked(Model):
    """What could be promised to whoever asks for this."""

    verb: Literal["offer"] = "offer"
    request: Request


class FleetReported(Model):
    """What becomes of every accelerator, and what binds where."""

    verb: Literal["report"] = "report"
    site: SiteId | None = None
    hours: int = Field(default=0, ge=0, le=720)
    """Over how many past hours accelerator-hours are booked."""


class Planned(Model):
    """A plan of moves for a goal; nothing is written."""

    verb: Literal["plan"] = "plan"
    goal: Goal


class Pending(Model):
    """What an incident waits for: the proposal, the diff as this caller may see it, and who must approve."""

    verb: Literal["pending"] = "pending"
    incident: IncidentId


class DeadLetters(Model):
    """Messages that could not be handled, with the reasons."""

    verb: Literal["dead-letters"] = "dead-letters"
    sequence: int | None = None


class Replay(Model):
    """Send a dead letter back to the stream it came from."""

    verb: Literal["replay"] = "replay"
    sequence: int


class Drop(Model):
    """Forget a dead letter for good."""

    verb: Literal["drop"] = "drop"
    sequence: int


class LedgerExport(Model):
    """The whole ledger, as `placet ledger verify` reads it; the answer is spooled."""

    verb: Literal["ledger-export"] = "ledger-export"


class LedgerShow(Model):
    """Entries of the ledger in order, narrowed by what is given."""

    verb: Literal["ledger-show"] = "ledger-show"
    incident: IncidentId | None = None
    proposal: Digest | None = None
    after: int = -1
    limit: int = Field(default=200, ge=1, le=10_000)


class LedgerProve(Model):
    """A self-contained proof of one change, as `placet ledger verify` reads it; the answer is spooled."""

    verb: Literal["ledger-prove"] = "ledger-prove"
    proposal: Digest


class LedgerErase(Model):
    """Forget a person in the ledger: the bodies of what they did or what names them. With `dry`, only say what."""

    verb: Literal["ledger-erase"] = "ledger-erase"
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@\-]{0,126}$")]
    dry: bool = False


class Diagnose(Model):
    """The health of the running system, as its console sees it."""

    verb: Literal["diagnose"] = "diagnose"


class WhoAmI(Model):
    """The caller's own enrolment."""

    verb: Literal["whoami"] = "whoami"


class Part(Model):
    """The next bytes of a spooled answer."""

    verb: Literal["part"] = "part"
    handle: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    offset: int = Field(ge=0)


type Command = Annotated[
    Ask
    | Propose
    | Approve
    | Set
    | Get
    | Describe
    | Top
    | Topology
    | Coverage
    | History
    | Drifted
    | LawReported
    | Assured
    | Supposed
    | Why
    | WouldPlace
    | OfferAsked
    | FleetReported
    | Planned
    | Pending
    | DeadLetters
    | Replay
    | Drop
    | LedgerExport
    | LedgerShow
    | LedgerProve
    | LedgerErase
    | Diagnose
    | WhoAmI
    | Part,
    Field(discriminator="verb"),
]

CHANGES_STATE = frozenset({"ask", "propose", "approve", "set", "replay", "drop", "ledger-erase"})
"""Verbs whose calls are entries of the ledger before they have any effect."""


class Spooled(Model):
    """Where the rest of an answer lies: fetch it from that console in parts."""

    console: str
    handle: str
    size: int
    content: Digest
    """What the bytes must add up to."""


class Reply(Record):
    """The one shape of an answer."""

    kind: Literal["placet.reply"] = "placet.reply"
    v: Literal[1] = 1
    code: ExitCode = ExitCode.OK
    result: Json = None
    message: str = ""
    """What went wrong and what to do next; empty when all is well."""
    spooled: Spooled | None = None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.code is ExitCode.OK


VERBS: tuple[str, ...] = tuple(
    str(cls.model_fields["verb"].default)
    for cls in (
        Ask, Propose, Approve, Set, Get, Describe, Top, Topology, Coverage, History, Drifted, LawReported, Planned,
        Assured, Supposed, Why, WouldPlace, OfferAsked, FleetReported, Pending, DeadLetters, Replay, Drop,
        LedgerExport, LedgerShow, LedgerProve, LedgerErase, Diagnose, WhoAmI,
    )
)  # fmt: skip
"""Every verb that any console answers: all but `part`, which only the console answers that spooled it."""
