"""`placet init`: make an installation's keys, its first administrator, its signed facts and its world.

Idempotent: what is there is kept, what is missing is made, and the answer names both. Nothing is started.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from console import config, identities, profiles
from console.config import Channel, Config
from console.http.channels import token_digest
from console.lawgivers import facts_ring
from console.state import ROLE_KEYS, InstallationRecord, StateDirectory, write_private
from estate.errors import BadInput
from estate.identities import Role, Subject
from estate.ids import ChannelId, InstallationId
from estate.law import Facts
from estate.ratifications import Ratification
from estate.worlds import World
from policies import signed_facts
from policies.controls import RATIFICATION_TYPE
from policies.enrolments import PAYLOAD_TYPE
from policies.ledger.verifier_keys import ledger_key
from policies.signed_facts import open_facts
from policies.signing.facts import seal_facts
from policies.signing.files import FileSigner
from policies.signing.sealing import seal

LOCAL_CHANNEL = ChannelId("local")
FACTS_FOR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Founding:
    """What to make an installation of. `None` takes the small estate that ships with Placet."""

    installation: InstallationId | None = None
    administrator: str = "admin"
    facts: Facts | None = None
    world: World | None = None
    profile: str = profiles.HOUSE
    """Whose numbers it begins with: a name, or a file, whose author the administrator then is."""


@dataclass(slots=True)
class Founded:
    """What stands now, and what of it this call made."""

    record: InstallationRecord
    made: list[str] = field(default_factory=list)
    backup: Path | None = None


def found(state: StateDirectory, founding: Founding, now: datetime) -> Founded:
    """Make what is missing.

    Raises:
        BadInput: another installation lives here, or a file does not fit.
    """
    backup = state.prepare(now)
    made = [f"key of the {role}" for role in ROLE_KEYS if _key(state, role)]
    if not state.nats_secret_path.exists():
        write_private(state.nats_secret_path, secrets.token_bytes(32))
        made.append("secret of the NATS users")
    record = state.record() if state.exists() else _record(state, founding, now, made)
    if founding.installation not in (None, record.id):
        raise BadInput(f"`{state.root}` holds installation `{record.id}`; name another `--state-dir`")
    _facts(state, founding, now, made)
    _world(state, founding, made)
    _ledger_key(state, record, made)
    _channel(state, record, founding, now, made)
    return Founded(record, made, backup)


def _key(state: StateDirectory, role: str) -> bool:
    path = state.key_path(role)
    if path.exists():
        return False
    FileSigner.create(path)
    return True


def _record(state: StateDirectory, founding: Founding, now: datetime, made: list[str]) -> InstallationRecord:
    installation = founding.installation or InstallationId(f"placet-{secrets.token_hex(4)}")
    path = state.identity_path(founding.administrator)
    signer = FileSigner.load(path) if path.exists() else FileSigner.create(path)
    subject = identities.person(installation, founding.administrator)
    roles = (Role.ADMINISTRATOR, Role.OPERATOR)
    first = identities.enrolment(subject, signer.public_key, roles, (), now)
    law = _ratified(installation, subject, founding, now)
    record = InstallationRecord(
        id=installation,
        created_at=now,
        public_keys={role: _public(state, role) for role in ROLE_KEYS},
        administrator=seal(first.canonical(), PAYLOAD_TYPE, signer).decode(),
        administrator_key=signer.key_id,
        ratification=seal(law.canonical(), RATIFICATION_TYPE, signer).decode(),
    )
    write_private(state.record_path, record.canonical())
    identities.choose(state, founding.administrator)
    made.append(f"installation {installation}")
    made.append(f"administrator {founding.administrator}, key {signer.key_id}")
    made.append(f"their signature under the rules, until {now + FACTS_FOR:%Y-%m-%d}")
    return record


def _ratified(installation: InstallationId, by: Subject, founding: Founding, now: datetime) -> Ratification:
    """Whoever makes an installation takes the release's rules for its law, with any of the release's profiles."""
    shipped = founding.profile in profiles.shipped()
    names = profiles.shipped() if shipped else (*profiles.shipped(), founding.profile)
    return Ratification(
        installation=installation,
        bundles=tuple(dict.fromkeys(profiles.bundle(name).digest for name in names)),
        author=None if shipped else by,
        reason="the rules and profiles that the installation was made with",
        valid_until=now + FACTS_FOR,
        by=by,
        at=now,
    )


def _public(state: StateDirectory, role: str) -> str:
    return base64.b64encode(FileSigner.load(state.key_path(role)).public_key).decode()


def _facts(state: StateDirectory, founding: Founding, now: datetime, made: list[str]) -> None:
    if state.facts_path.exists() and founding.facts is None:
        return
    if founding.facts is None:
        from console.demo import estate

        facts = estate.facts(now + FACTS_FOR)
    else:
        facts = founding.facts
    sealed = seal_facts(facts, FileSigner.load(state.key_path("facts")))
    words = signed_facts.carried_by(state.facts_path.read_bytes()) if state.facts_path.exists() else ()
    envelope = signed_facts.carrying(sealed, words)
    if state.facts_path.exists() and state.facts_path.read_bytes() == envelope:
        return
    write_private(state.facts_path, envelope)
    made.append(f"signed facts, version {facts.version}, valid until {facts.valid_until:%Y-%m-%d}")


def _world(state: StateDirectory, founding: Founding, made: list[str]) -> None:
    if state.world_path.exists() and founding.world is None:
        return
    if founding.world is None:
        from console.demo import estate

        world = estate.world()
    else:
        world = founding.world
    write_private(state.world_path, world.canonical())
    made.append(f"world of {len(world.nodes)} nodes and {len(world.workloads)} workloads for the twin")


def _ledger_key(state: StateDirectory, record: InstallationRecord, made: list[str]) -> None:
    path = state.root / "ledger.vkey"
    line = f"{ledger_key(record.id, base64.b64decode(record.public_keys['ledger']))}\n".encode()
    if path.exists() and line.strip() in path.read_bytes():
        return  # alone, or among those that `placet rotate` has put in its place
    write_private(path, line)
    made.append("the ledger's public key in ledger.vkey: give it to whoever shall verify an export")


def _channel(
    state: StateDirectory, record: InstallationRecord, founding: Founding, now: datetime, made: list[str]
) -> None:
    """A configuration with one channel of its own token, so that a sender can be tried at once."""
    if state.config_path.exists():
        return
    token = secrets.token_urlsafe(32)
    write_private(state.root / "keys" / "local.token", f"{token}\n".encode())
    facts = open_facts(state.facts_path.read_bytes(), facts_ring(record), now)
    channel = Channel(id=LOCAL_CHANNEL, clusters=tuple(c.id for c in facts.clusters), token_sha256=token_digest(token))
    write_private(state.config_path, config.write(Config(channels=(channel,), profile=founding.profile)).encode())
    made.append("placet.yaml with the channel `local`, whose token is in keys/local.token")
