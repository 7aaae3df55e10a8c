"""What an installation needs on the servers at which its processes meet, as plain data.

`console.bootstrap` makes it: for `placet run` before anything starts, for processes apart by `placet provision`,
because no process apart holds the administrator's user.
"""

from __future__ import annotations

from dataclasses import replace

from agents import consumers as agent_consumers
from console import databases
from console.databases import Store
from console.installations import Installation
from console.processes.executor import consumers as executor_consumers
from console.processes.gate import CONSUMERS as GATE_CONSUMERS
from console.roles import SERVERS, needs, roles
from estate.errors import BadInput
from estate.identities import SubjectKind
from policies.controls import Controls
from policies.enrolments import Enrolments
from policies.ledger.port import Ledger
from policies.signed_facts import loaded, recorded, retired
from tools.bus import accounts
from tools.bus.port import ConsumerSpec


def users(installation: Installation) -> tuple[accounts.User, ...]:
    """Every NATS user of the installation: what its server must know, embedded or not."""
    made = accounts.Accounts(
        subjects=installation.subjects,
        consumers=consumers(installation),
        executors=[e.id for e in installation.config.executors],
        channels={c.id: [f.value for f in c.formats] for c in installation.config.channels},
    )
    return made.users(installation.state.nats_password)


def consumers(installation: Installation) -> dict[str, tuple[ConsumerSpec, ...]]:
    """Every durable consumer by the NATS user that it belongs to."""
    subjects = installation.subjects
    config = installation.config
    return {
        accounts.AGENT: agent_consumers.specs(subjects),
        accounts.GATE: GATE_CONSUMERS,
        **{
            accounts.executor_user(e.id): executor_consumers(subjects, e.id, config.clusters_of(e.id))
            for e in config.executors
        },
    }


def stores(installation: Installation) -> tuple[Store, ...]:
    """The PostgreSQL databases that are Placet's to make, the ledger's first.

    Raises:
        BadInput: two stores share one database, and so would the roles that use them.
    """
    config = installation.config
    found: dict[str, Store] = {}
    processes = [r for r in roles(tuple(e.id for e in config.executors)) if r not in SERVERS]
    for address, field in ((config.ledger, "ledger"), (config.checkpoints, "checkpoints")):
        if address.startswith("postgres") and not databases.names_user(address):
            members = [r for r in processes if getattr(needs(r), field)]
            found[field] = Store(address, {r: installation.state.postgres_password(r) for r in members})
    if len({s.database for s in found.values()}) < len(found):
        raise BadInput("ledger and checkpoints name one database; name two, so that no agent can enter the ledger's")
    return tuple(found.values())


def as_owner(installation: Installation) -> Installation:
    """The installation as it opens a ledger that is Placet's to make: in the place of the database's owner."""
    config = installation.config
    store = next((s for s in stores(installation) if s.address == config.ledger), None)
    if store is None:
        return installation
    address = databases.as_owner(store, installation.state.postgres_password(databases.SUPERUSER))
    return replace(installation, config=config.model_copy(update={"ledger": address}))


async def founded(installation: Installation, ledger: Ledger) -> None:
    """The pinned administrator's enrolment, and their word on the rules, come first. Idempotent by their keys."""
    record = installation.record
    founding = Enrolments(record.id, record.administrator_key, installation.clock)
    admitted = founding.admit(record.administrator.encode(), record.created_at)
    await ledger.append(admitted.draft(record.created_at))
    if record.ratification:
        founding.apply(record.administrator.encode(), record.created_at)
        controls = Controls(record.id, founding, installation.clock)
        await ledger.append(controls.admit(record.ratification.encode(), record.created_at).draft(record.created_at))


async def established(installation: Installation, ledger: Ledger) -> int:
    """The version of the facts on disk, once the ledger says that they are in force.

    Raises:
        Denied: they do not verify, or older ones were put in the place of those that the ledger has seen.
    """
    latch = installation.facts_latch(await recorded(ledger), await retired(ledger))
    facts, by = installation.facts(latch), installation.subject(SubjectKind.INVENTORY, "inventory")
    await ledger.append(loaded(facts, by, installation.clock(), latch))
    return facts.version
