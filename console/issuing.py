"""`placet issue`: take an installation apart into a state directory for each role, with what it needs and nothing else.

No role gets the secret from which every password follows, nor another role's password; an agent gets no key at all.
Issuing again writes the same directories anew: after new facts, another executor, another channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from console import config as settings
from console import databases, profiles
from console.authorities import Authority, hosts_of, secured
from console.config import Channel, Cluster, Config, Credentials, Sync
from console.installations import Installation
from console.provisioning import stores, users
from console.roles import EXECUTOR, SERVERS, Needs, RoleRecord, known, needs
from console.state import StateDirectory, write_private
from estate.errors import BadInput
from tools.bus.configuring import Place, configuration, listening
from tools.inventory.asking import passwords
from tools.inventory.asking.settings import Settings as Sources

WORLD = "world"
PROFILE = "profile.yaml"


@dataclass(frozen=True, slots=True)
class Issuing:
    """One installation, and the folder in which each role's directory is made."""

    installation: Installation
    out: Path

    @classmethod
    def of(cls, state: StateDirectory, config: Config, out: Path) -> Issuing:
        """Refuse what could not work apart.

        Raises:
            BadInput: not a whole installation, or a setting that only `placet run` can keep; the message names it.
        """
        installation = Installation.open(state, config)
        if installation.role is not None:
            raise BadInput(f"`{state.root}` was issued to `{installation.role.name}`; issue from what `init` made")
        if config.nats_url is None:
            raise BadInput("processes apart meet at a NATS server; name it with `--nats-url`")
        if config.ledger == "sqlite":
            raise BadInput(
                "a SQLite ledger is one program's own; set `ledger: postgresql://…` (PLACET_LEDGER) for processes apart"
            )
        if config.checkpoints == config.ledger:
            raise BadInput("`checkpoints` is the ledger's address, which no agent may hold; name another database")
        stores(installation)
        return cls(installation, out.resolve())

    def renew(self, names: tuple[str, ...]) -> None:
        """Draw new passwords for these roles, kept where the whole lies: what was stolen opens nothing any more.

        They hold once the NATS server has its new configuration and `provision` was run.
        """
        state = self.installation.state
        for name in (n for n in self._known(names) if n not in SERVERS):
            for server in ("nats", *("postgres" for s in stores(self.installation) if name in s.users)):
                write_private(state.password_path(server, name), f"{secrets.token_hex(32)}\n".encode())

    def issue(self, names: tuple[str, ...]) -> tuple[Path, ...]:
        """Write the directories of these roles, all where none is named; where each lies.

        Raises:
            BadInput: there is no such role, or another installation's directory is in the way.
        """
        made = tuple(self._server(n) if n in SERVERS else self._role(n) for n in self._known(names))
        if self._twin.parent == self.out / WORLD:
            StateDirectory(self._twin.parent).make_private()
        return made

    def _known(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return known(names, tuple(e.id for e in self.installation.config.executors))

    def nats_configuration(self, place: Place) -> str:
        """What a nats-server of one's own must be told."""
        return configuration(users(self.installation), place)

    @property
    def _twin(self) -> Path:
        return self.installation.config.twin or self.out / WORLD / "twin.sqlite"

    def _role(self, name: str) -> Path:
        issued, need = StateDirectory(self.out / name), needs(name)
        self._refuse_foreign(issued, name)
        folders = [issued.root / "keys", issued.run_path]
        folders += [issued.authority_path.parent] if secured(self.installation.config.nats_url) else []
        issued.make(*folders, *([issued.identity_path("").parent] if name == "client" else []))
        for path, data in self._files(issued, name, need).items():
            write_private(path, data)
        return issued.root

    def _files(self, issued: StateDirectory, name: str, need: Needs) -> dict[Path, bytes]:
        whole, here = self.installation.state, self.installation
        files = {
            issued.record_path: here.record.canonical(),
            issued.role_path: RoleRecord(
                installation=here.record.id, name=name, facts_version=here.facts().version
            ).canonical(),
            issued.config_path: settings.write(self._settings(issued, name, need)).encode(),
            issued.ledger_key_path: whole.ledger_key_path.read_bytes(),
            issued.password_path("nats", name): f"{whole.nats_password(name)}\n".encode(),
        }
        local = [key for key in need.keys if key not in here.config.remote_keys]
        files |= {issued.key_path(key): whole.key_path(key).read_bytes() for key in local}
        nexts = {issued.next_key_path(key): whole.next_key_path(key) for key in need.keys}
        files |= {path: source.read_bytes() for path, source in nexts.items() if source.exists()}
        seconds = {issued.second_key_path(key): whole.second_key_path(key) for key in need.keys}
        seconds |= {i.with_suffix(".next"): w.with_suffix(".next") for i, w in seconds.items()}
        files |= {path: source.read_bytes() for path, source in seconds.items() if source.exists()}
        if secured(here.config.nats_url):
            files[issued.authority_path] = self._authority
        if own := self._own_profile:
            files[issued.root / PROFILE] = own.read_bytes()
        if need.law:
            files[issued.facts_path] = here.facts_envelope()
            files[issued.world_path] = here.world_file().canonical()
        files |= dict(self._kubeconfigs(issued, name))
        files |= dict(self._secrets(issued, name))
        for password in (s.users[name] for s in stores(here) if name in s.users):
            files[issued.password_path("postgres", name)] = f"{password}\n".encode()
        return files

    @property
    def _own_profile(self) -> Path | None:
        """The file of a profile of one's own, once it was read; None of one that is shipped. Raises BadInput."""
        name = self.installation.config.profile
        if name in profiles.shipped():
            return None
        profiles.chosen(name)
        return Path(name)

    def _kubeconfigs(self, issued: StateDirectory, name: str) -> Iterator[tuple[Path, bytes]]:
        """Copies, so that nobody reads another role's: of the readers' for the inventory, and so on."""
        for cluster in self.installation.config.clusters:
            credentials = self._credentials(cluster, name)
            if credentials is None or credentials.kubeconfig is None:
                continue
            try:
                yield issued.kubeconfig_path(cluster.id), credentials.kubeconfig.read_bytes()
            except OSError as error:
                raise BadInput(
                    f"clusters.{cluster.id}: `{credentials.kubeconfig}`: {error.strerror}; correct the path"
                ) from error

    def _secrets(self, issued: StateDirectory, name: str) -> Iterator[tuple[Path, bytes]]:
        """Copies of the secrets of whom the inventory asks: for nobody else."""
        known = self.installation.config.sources.secrets() if name == "inventory" else {}
        for source, file in known.items():
            yield issued.source_secret_path(source), f"{passwords.read(file)}\n".encode()

    def _sources(self, issued: StateDirectory, name: str) -> Sources:
        """Whom the inventory asks, with the secrets beside it; nobody else learns of them."""
        own = self.installation.config.sources if name == "inventory" else Sources()
        return own.with_secrets({source: issued.source_secret_path(source) for source in own.secrets()})

    def _credentials(self, cluster: Cluster, name: str) -> Credentials | None:
        """Only the inventory learns who reads a cluster, the gate who registers there, its executor who writes it."""
        if name in ("inventory", "gate"):
            return cluster.reader if name == "inventory" else cluster.registrar
        return cluster.writer if name == f"{EXECUTOR}{self.installation.config.executor_of(cluster.id)}" else None

    def _cluster(self, cluster: Cluster, issued: StateDirectory, name: str) -> Cluster:
        credentials = self._credentials(cluster, name)
        if credentials is not None and credentials.kubeconfig is not None:
            credentials = credentials.model_copy(update={"kubeconfig": issued.kubeconfig_path(cluster.id)})
        reads, writes = name == "inventory", name.startswith(EXECUTOR)
        return Cluster(
            id=cluster.id,
            reader=credentials if reads else None,
            writer=credentials if writes else None,
            registrar=credentials if name == "gate" else None,
            declared=cluster.declared if reads else (),
        )

    def _settings(self, issued: StateDirectory, name: str, need: Needs) -> Config:
        config, plain = self.installation.config, Config()
        return config.model_copy(
            update={
                "facts": None,
                "world": None,
                "nats_authority": None,
                "profile": str(issued.root / PROFILE) if self._own_profile else config.profile,
                "twin": self._twin if need.law else None,
                "ledger": config.ledger if need.ledger else plain.ledger,
                "checkpoints": config.checkpoints if need.checkpoints else plain.checkpoints,
                "clusters": tuple(self._cluster(c, issued, name) for c in config.clusters),
                "channels": tuple(_channel(c, need) for c in config.channels if need.channels),
                "sources": self._sources(issued, name),
                "http": config.http if name == "console" else plain.http,
                "remote_keys": {key: of for key, of in config.remote_keys.items() if key in need.keys},
                "witnesses": config.witnesses if "ledger" in need.keys else (),
            }
        )

    def _server(self, name: str) -> Path:
        issued = StateDirectory(self.out / name)
        issued.make_private()
        if name == "nats":
            config, store = self.installation.config, issued.root / "store"
            StateDirectory(store).make_private()
            certificate = self._certificate(issued)
            place = Place(listening(config.nats_url or ""), store, config.nats_sync is Sync.ALWAYS, certificate)
            write_private(issued.root / "nats.conf", self.nats_configuration(place).encode())
        elif stores(self.installation):
            password = self.installation.state.postgres_password(databases.SUPERUSER)
            write_private(issued.root / "password", password.encode())
        return issued.root

    @property
    def _authority(self) -> bytes:
        """Whom every role trusts to say which the NATS server is."""
        named, here = self.installation.config.nats_authority, self.installation
        if named is None:
            Authority.of(here.state, here.record.id, here.clock())
            return here.state.authority_path.read_bytes()
        try:
            return named.read_bytes()
        except OSError as error:
            raise BadInput(f"nats_authority: `{named}`: {error.strerror}; correct the path") from error

    def _certificate(self, issued: StateDirectory) -> Path | None:
        """Where the server's new certificate lies; None where it speaks no TLS, or has one of somebody else's."""
        here = self.installation
        url = here.config.nats_url or ""
        if not secured(url) or here.config.nats_authority is not None:
            return None
        now, path = here.clock(), issued.root / "server.pem"
        certificate, key = Authority.of(here.state, here.record.id, now).serving(hosts_of(url), now)
        for where, data in (
            (path, certificate),
            (path.with_suffix(".key"), key),
            (here.state.served_path, certificate),
        ):
            write_private(where, data)
        return path

    def _refuse_foreign(self, issued: StateDirectory, name: str) -> None:
        if not issued.exists():
            return
        found, role = issued.record().id, issued.role()
        if found != self.installation.record.id or role is None or role.name != name:
            raise BadInput(f"`{issued.root}` is another installation's or another role's; name another `--out`")


def _channel(channel: Channel, need: Needs) -> Channel:
    return channel if need.tokens else channel.model_copy(update={"token_sha256": None})
