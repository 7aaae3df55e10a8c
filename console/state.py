"""The state directory: one installation's keys, records and stores on this machine, and nothing else of it.

What `placet init` makes is whole; what `placet issue` makes for one role holds only what that role needs, and says so
in `role.json`.

Everything below is mode 0700 and every key 0600. A `FORMAT` file carries the version of the layout: a newer one is
refused, an older one is backed up and migrated. `placet run` holds `LOCK` for as long as it lives, so that two
systems never share one directory. Called by `console.bootstrap` and the CLI; it opens no database and no connection.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import platformdirs

from console.roles import RoleRecord
from estate.errors import BadInput, NewerRecord, RetryLater
from estate.ids import ClusterId, InstallationId, KeyId
from estate.records import Record, Time, later

FORMAT = 1
ROLE_KEYS = ("gate", "ledger", "executor", "facts", "console")

type Migration = Callable[[Path], None]

MIGRATIONS: Mapping[int, Migration] = {}
"""For each older format, what makes a directory of it one of the next."""


class InstallationRecord(Record):
    """What this installation is: its id, the public key of each role, and the administrator it was made with."""

    kind: Literal["placet.installation"] = "placet.installation"
    v: Literal[1] = 1
    id: InstallationId
    created_at: Time
    public_keys: dict[str, str]
    """Role to raw Ed25519 public key in standard base64."""
    administrator: str
    """The DSSE envelope (JSON text) of the first enrolment, signed by the administrator's own key."""
    administrator_key: KeyId
    """The key that alone may sign that first enrolment: what every verifier pins."""
    ratification: str = later("")
    """The DSSE envelope (JSON text) by which that administrator took the rules of the release for the law."""


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Where each thing of one installation lies. Building it touches nothing."""

    root: Path

    @property
    def record_path(self) -> Path:
        """The installation's record."""
        return self.root / "installation.json"

    @property
    def config_path(self) -> Path:
        """The configuration, where no other file is named."""
        return self.root / "placet.yaml"

    @property
    def facts_path(self) -> Path:
        """The signed facts."""
        return self.root / "facts.dsse.json"

    @property
    def world_path(self) -> Path:
        """What a twin starts with."""
        return self.root / "world.json"

    @property
    def ledger_path(self) -> Path:
        """The SQLite ledger."""
        return self.root / "ledger.sqlite"

    @property
    def twin_path(self) -> Path:
        """The twin's own store."""
        return self.root / "twin.sqlite"

    @property
    def nats_path(self) -> Path:
        """The embedded server's store and configuration."""
        return self.root / "nats"

    @property
    def run_path(self) -> Path:
        """What is true only while a system runs: ports, process id, spooled replies."""
        return self.root / "run"

    @property
    def estates_path(self) -> Path:
        """What each process knew of the estate when it last stopped: a convenience, deleted without loss."""
        return self.root / "estates"

    @property
    def log_places_path(self) -> Path:
        """How far each log was read that the inventory follows."""
        return self.root / "log-places"

    @property
    def witnesses_path(self) -> Path:
        """Clones of the repositories that keep the ledger's checkpoints: deleted without loss."""
        return self.root / "witnesses"

    @property
    def role_path(self) -> Path:
        """For which role the directory was issued."""
        return self.root / "role.json"

    @property
    def ledger_key_path(self) -> Path:
        """The ledger's public key."""
        return self.root / "ledger.vkey"

    @property
    def authority_path(self) -> Path:
        """The certificate of the authority that the NATS server's own must come from, where TLS is spoken to it."""
        return self.root / "tls" / "authority.pem"

    @property
    def authority_key_path(self) -> Path:
        """The key of that authority, in a whole installation only."""
        return self.root / "tls" / "authority.key"

    @property
    def served_path(self) -> Path:
        """The certificate that was made for the NATS server last: a copy, to tell when it ends."""
        return self.root / "tls" / "nats.pem"

    @property
    def nats_secret_path(self) -> Path:
        """The secret from which the password of every user of NATS and PostgreSQL follows."""
        return self.root / "keys" / "nats.secret"

    def password_path(self, server: str, user: str) -> Path:
        """Where a password lies that was issued on its own."""
        return self.root / "keys" / f"{server}-{user}.password"

    def nats_password(self, user: str) -> str:
        """The password of a NATS user: issued to this directory, or derived where the whole installation lies.

        Raises:
            BadInput: it was issued to another role, or `placet init` was not run here.
        """
        return self._issued("nats", user) or self._derived(user)

    def postgres_password(self, user: str) -> str:
        """The password of a PostgreSQL user that Placet made. Raises as `nats_password`."""
        return self._issued("postgres", user) or self._derived(f"postgres/{user}")

    def _issued(self, server: str, user: str) -> str | None:
        path = self.password_path(server, user)
        return path.read_text().strip() if path.exists() else None

    def _derived(self, user: str) -> str:
        try:
            secret = self.nats_secret_path.read_bytes()
        except FileNotFoundError as error:
            role = self.role()
            if role is not None:
                raise BadInput(f"`{self.root}` was issued to `{role.name}` and cannot speak as `{user}`") from error
            raise BadInput(f"`{self.nats_secret_path}` is missing; run `placet init`") from error
        return hmac.new(secret, user.encode(), hashlib.sha256).hexdigest()

    def key_path(self, role: str) -> Path:
        """The private key of a role."""
        return self.root / "keys" / f"{role}.key"

    def next_key_path(self, role: str) -> Path:
        """The private key that a role shall sign with next."""
        return self.key_path(role).with_suffix(".next")

    def old_key_path(self, role: str) -> Path:
        """The private key that a role signed with until now, while it still verifies."""
        return self.key_path(role).with_suffix(".old")

    def second_key_path(self, role: str) -> Path:
        """The second, post-quantum private key of a role."""
        return self.key_path(f"{role}-mldsa44")

    def kubeconfig_path(self, cluster: ClusterId) -> Path:
        """By what a role's process reaches that cluster, in a directory that was issued to it."""
        return self.root / "keys" / f"{cluster}.kubeconfig"

    def source_secret_path(self, source: str) -> Path:
        """By what the inventory asks that source, in a directory that was issued to it."""
        return self.root / "keys" / f"{source}.secret"

    def identity_path(self, name: str) -> Path:
        """The private key of a person who uses this machine."""
        return self.root / "keys" / "identities" / f"{name}.key"

    def identities(self) -> tuple[str, ...]:
        """The people with a key here, by name."""
        return tuple(sorted(p.stem for p in (self.root / "keys" / "identities").glob("*.key")))

    def exists(self) -> bool:
        """Whether `placet init` was run here."""
        return self.record_path.exists()

    def role(self) -> RoleRecord | None:
        """The role that it was issued for; None where a whole installation lies. Raises BadInput: it does not fit."""
        try:
            return RoleRecord.read(self.role_path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def record(self) -> InstallationRecord:
        """The installation's record.

        Raises:
            BadInput: there is none, or it does not fit; the message says what to run.
        """
        self.check_format()
        try:
            return InstallationRecord.read(self.record_path.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadInput(f"`{self.root}` holds no installation; run `placet init`") from error

    def check_format(self) -> None:
        """Refuse a layout that this program does not know.

        Raises:
            NewerRecord: a newer Placet wrote the directory.
            BadInput: the format file is not a number.
        """
        found = self._format()
        if found is not None and found > FORMAT:
            raise NewerRecord(
                f"`{self.root}` has format {found}, written by a newer placet (this one knows {FORMAT}); upgrade"
            )

    def prepare(self, now: datetime) -> Path | None:
        """Make the directories, or migrate an older layout after a backup; the backup's path if one was made."""
        self.check_format()
        found = self._format()
        backup = self._migrate(found, now) if found is not None and found < FORMAT else None
        self.make(self.root / "keys", self.identity_path("").parent, self.nats_path, self.run_path)
        return backup

    def make(self, *folders: Path) -> None:
        """Make it with these folders, nobody else's business all of them. Raises BadInput: the disk refuses."""
        self.make_private(*folders)
        write_private(self.root / "FORMAT", f"{FORMAT}\n".encode())

    def make_private(self, *folders: Path) -> None:
        """As `make`, without saying that it is a state directory."""
        try:
            for path in (self.root, *folders):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o700)
        except OSError as error:
            raise BadInput(f"cannot make `{error.filename}`: {error.strerror}; name another `--state-dir`") from error

    def _format(self) -> int | None:
        try:
            text = (self.root / "FORMAT").read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not text.isdecimal():
            raise BadInput(
                f"`{self.root / 'FORMAT'}` holds `{text}`, not a number; restore the directory from a backup"
            )
        return int(text)

    def _migrate(self, found: int, now: datetime) -> Path:
        backup = self.root.with_name(f"{self.root.name}.format-{found}.{now:%Y%m%dT%H%M%S}")
        shutil.copytree(self.root, backup)
        backup.chmod(0o700)
        for step in range(found, FORMAT):
            MIGRATIONS[step](self.root)
        return backup


def default_root() -> Path:
    """The XDG state directory of this user."""
    return Path(platformdirs.user_state_dir("placet", appauthor=False))


def write_private(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all, readable by its owner only."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


@contextmanager
def locked(state: StateDirectory) -> Iterator[None]:
    """Hold the directory's lock; the kernel lets go of it when the process dies.

    Raises:
        RetryLater: another process holds it.
    """
    descriptor = os.open(state.root / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, state)
        yield
    finally:
        os.close(descriptor)


def is_held(state: StateDirectory) -> bool:
    """Whether a system runs on the directory now."""
    try:
        with locked(state):
            return False
    except RetryLater:
        return True


def _take(descriptor: int, state: StateDirectory) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise RetryLater(
            f"`{state.root}` is in use by process {holder}; stop it, or name another `--state-dir`"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
