"""An installation as it lies on disk: its record, its settings, its keys, its facts. Nothing of it runs yet."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agents.intake.channels import FRONT_DOOR, ChannelConfig
from console.config import Config, ExecutorSpec, Format
from console.lawgivers import facts_ring
from console.roles import RoleRecord
from console.state import InstallationRecord, StateDirectory
from estate.clocks import Clock, Entropy
from estate.errors import BadInput, Denied
from estate.identities import Subject, SubjectKind
from estate.ids import ChannelId, ClusterId, ExecutorId, KeyId
from estate.law import Facts
from estate.subjects import Subjects
from estate.worlds import World
from policies.keyrings import StaticRing
from policies.signed_facts import Latch, open_facts
from policies.signing.files import FileSigner, MldsaFileSigner
from policies.signing.port import Signer
from tools.inventory import files
from tools.inventory.asking.settings import Log
from tools.sensors.telling import CHANNEL as INVENTORY


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Installation:
    """What is known of an installation before anything of it runs."""

    state: StateDirectory
    config: Config
    record: InstallationRecord
    role: RoleRecord | None = None
    """The role that the state directory was issued for; None where all of it lies."""
    clock: Clock = utc_now
    entropy: Entropy = secrets.token_bytes

    @classmethod
    def open(cls, state: StateDirectory, config: Config) -> Installation:
        """Read the state directory.

        Raises:
            BadInput: `placet init` was not run here, or the configuration names another installation.
            NewerRecord: a newer Placet wrote it.
        """
        record = state.record()
        if config.installation not in (None, record.id):
            raise BadInput(f"placet.yaml is for `{config.installation}`, `{state.root}` holds `{record.id}`")
        return cls(state, config, record, state.role())

    @property
    def executors(self) -> tuple[ExecutorSpec, ...]:
        """Those that may run here: the one that the directory was issued for, or all of them."""
        only = self.role.executor if self.role else None
        return tuple(e for e in self.config.executors if only in (None, e.id))

    @property
    def twin_path(self) -> Path:
        """The twin's own store."""
        return self.config.twin or self.state.twin_path

    @property
    def subjects(self) -> Subjects:
        """Its NATS subjects."""
        return Subjects(self.record.id)

    def signs(self, role: str) -> bool:
        """Whether the key of that role is here."""
        return self.role is None or self.state.key_path(role).exists() or role in self.config.remote_keys

    def signer(self, role: str) -> Signer:
        """The key of a role: in its file, or in a key service."""
        remote = {str(name): key for name, key in self.config.remote_keys.items()}.get(role)
        if remote is None:
            return FileSigner.load(self.state.key_path(role))
        from policies.signing.kms import KmsSigner

        return KmsSigner.open(remote.uri, base64.b64decode(remote.public_key))

    def second_signer(self, role: str) -> MldsaFileSigner | None:
        """The second, post-quantum key of a role, where it was given one (`placet rotate --second`)."""
        path = self.state.second_key_path(role)
        return MldsaFileSigner.load(path) if path.exists() else None

    def ring(self, role: str) -> StaticRing:
        """Who trusts that role trusts this key."""
        return StaticRing.of(base64.b64decode(self.record.public_keys[role]))

    def subject(self, kind: SubjectKind, name: str) -> Subject:
        """A process as ledger and proposals name it."""
        return Subject(kind=kind, issuer=self.record.id, name=name)

    def facts_envelope(self) -> bytes:
        """The signed facts."""
        return _read(self.config.facts or self.state.facts_path)

    def facts(self, verify: Callable[[bytes], Facts] | None = None) -> Facts:
        """The law base on disk, as `verify` reads it (`verify_facts` where none is given).

        Raises:
            Denied: its signature or its time does not hold; the message names the file.
        """
        try:
            return (verify or self.verify_facts)(self.facts_envelope())
        except Denied as error:
            path = self.config.facts or self.state.facts_path
            raise Denied(f"{path}: {error}; sign the facts anew with `placet init --facts FILE`") from error

    def verify_facts(self, envelope: bytes) -> Facts:
        """The facts, if the facts key signed them and they have not expired."""
        return open_facts(envelope, facts_ring(self.record), self.clock())

    def facts_latch(
        self, last_version: int, retired: frozenset[KeyId] = frozenset(), owner: KeyId | None = None
    ) -> Latch:
        """As `verify_facts`, and never an older version than one seen before, or one of a key that was replaced, or on
        the word of an owner whom another has followed.
        """
        return Latch(facts_ring(self.record), self.clock, last_version, retired, owner)

    def world_file(self) -> World:
        """What a new twin starts with."""
        path = self.config.world or self.state.world_path
        return files.parse(World, _read(path), str(path))

    def audience(self, clusters: frozenset[ClusterId]) -> ExecutorId | None:
        """The one executor that serves all these clusters, or None."""
        serving = {self.config.executor_of(c) for c in clusters}
        return serving.pop() if len(serving) == 1 else None


def channels_of(config: Config) -> dict[ChannelId, ChannelConfig]:
    """Every channel: the configured ones, the front door, and the inventory's own."""
    own = (
        ChannelConfig(id=FRONT_DOOR, formats=("request", "proposal")),
        ChannelConfig(id=INVENTORY, everywhere=True, formats=(Format.CLOUDEVENTS.value, *(log.value for log in Log))),
    )
    others = (
        ChannelConfig(id=c.id, clusters=c.clusters, tenant=c.tenant, formats=tuple(f.value for f in c.formats))
        for c in config.channels
    )
    return {c.id: c for c in (*others, *own)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read ({error.strerror}); run `placet init` or correct placet.yaml"
        ) from error
