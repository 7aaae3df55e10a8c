"""What `placet.yaml` says of the sources that ask: whom, as whom, how often, and what the answers are about.

Read by the configuration; the adapters beside it take these models as they are. Nothing here opens what it names, and
no secret stands in it: a secret is in a file of its own, read when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from estate.ids import ClusterId, SiteId
from estate.records import Model, doubled
from estate.references import WrittenRef

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

TargetId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9.\-]{0,94}[a-z0-9])?$")]
"""What a target is called in claims, coverage and logs; it stays when the address changes."""
Every = Annotated[int, Field(ge=1, le=86_400)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"`{text[:200]}` is no address; write it as `https://host:port`")
    if parts.username or parts.password:
        raise ValueError(f"the address of `{parts.hostname}` holds a user; write it beside, and a secret into a file")
    if parts.query or parts.fragment:
        raise ValueError(f"`{text[:200]}` holds a query; write the address alone")
    return text.rstrip("/")


class Text(StrEnum):
    """The formats that are read from files (`tools.payloads.formats.FACTS`)."""

    BOARD = "board"
    """`dmidecode`."""
    CLOUD = "cloud"
    """A cloud's or a power market's answer about quotas and prices, or a notice that takes an instance back."""
    EXPOSITION = "exposition"
    """An exporter's text, as node-exporter's textfile collector reads it."""
    INFINIBAND = "infiniband"
    """`grep -r . /sys/class/infiniband/NAME/`."""
    KUBERNETES = "kubernetes"
    """Objects as `kubectl get -o json` writes them."""
    NVLINK = "nvlink"
    """`nvidia-smi nvlink --status`."""
    PCI = "pci"
    """`lspci -nn`."""
    PROMETHEUS = "prometheus"
    """The answer to a query."""
    REDFISH = "redfish"
    """A resource."""


Address = Annotated[str, AfterValidator(_address), StringConstraints(max_length=1024)]
"""`http://` or `https://`, without user, query and fragment."""


class Server(Model):
    """Whom a source asks over HTTP."""

    id: TargetId
    url: Address
    authority: Path | None = None
    """The certificate of whoever signed the server's, in PEM. None: the authorities that this machine trusts."""
    verify: bool = True
    """False takes any certificate: whoever is on the way then reads the secret and answers in its place."""

    kept_in: ClassVar[str]
    """Which field names the file of its secret."""

    @property
    def secret(self) -> Path | None:
        """The file of its secret; None where it needs none."""
        found: Path | None = getattr(self, self.kept_in)
        return found

    @property
    def trust(self) -> bool | str:
        """As httpx is told."""
        return str(self.authority) if self.verify and self.authority is not None else self.verify

    def _sends_no_secret_openly(self, secret: Path | None) -> None:
        parts = urlsplit(self.url)
        if secret is not None and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError(f"`{self.url}` would carry the secret for all to read; write it with `https://`")


class RedfishService(Server):
    """A BMC, or a manager of chassis, power or cooling."""

    kept_in: ClassVar[str] = "password_file"
    user: str = Field(default="", max_length=256)
    """Whose rights should be to read and no more. Empty: it is asked without credentials."""
    password_file: Path | None = None
    """Holds the password and nothing else, mode 0600."""
    manages: WrittenRef | None = None
    """What all that it says is about: `node/eu-a1`, `pdu/pdu-1`. None: what its systems say themselves (serial number,
    system UUID), else the node or part of that id."""
    paths: dict[str, WrittenRef] = Field(default_factory=dict)
    """The same for single paths, of a service of many machines: `/redfish/v1/Chassis/Blade1: node/eu-a1`."""
    every_seconds: Every = 60
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 20
    """For one resource."""

    @model_validator(mode="after")
    def _has_a_password_for_its_user(self) -> RedfishService:
        if bool(self.user) != (self.password_file is not None):
            raise ValueError(f"`{self.id}` has one of `user` and `password_file`; give both or neither")
        if odd := next((p for p in self.paths if not p.startswith("/redfish/v1/")), None):
            raise ValueError(f"paths: `{odd[:80]}` is no Redfish path; write it as `/redfish/v1/Chassis/NAME`")
        self._sends_no_secret_openly(self.password_file)
        return self


class PrometheusServer(Server):
    """A Prometheus, or what answers its queries (Thanos, Mimir)."""

    kept_in: ClassVar[str] = "token_file"
    cluster: ClusterId | None = None
    """The cluster whose pods and claims its series name."""
    token_file: Path | None = None
    """Holds a bearer token and nothing else, mode 0600."""
    jobs: tuple[Annotated[str, StringConstraints(pattern=r'^[^"\\\n]{1,200}$')], ...] = ()
    """Only series of these scrape jobs. Empty: of all."""
    every_seconds: Every = 15
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    window_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """How old a sample may be; at least two of the slowest scrape intervals."""

    @model_validator(mode="after")
    def _keeps_its_token(self) -> PrometheusServer:
        self._sends_no_secret_openly(self.token_file)
        return self


class WatchedFile(Model):
    """A file that somebody else writes: a cloud's answer about quotas or prices, a machine's text about itself."""

    id: TargetId
    path: Path
    format: Text
    host: str = Field(default="", max_length=253)
    """The machine that the text is of, where it does not say so."""
    cluster: ClusterId | None = None
    region: str = Field(default="", max_length=200)
    """What the provider calls the region, where its answer does not say so."""
    device: str = Field(default="", max_length=64)
    """The adapter that the text is of, where its paths do not say so."""
    site: SiteId | None = None
    """Where its prices of electricity hold."""
    micro_usd: dict[Currency, Annotated[int, Field(ge=1, le=10**12)]] = Field(default_factory=dict)
    """What a unit of another currency is worth, in millionths of a dollar, as you book it: `EUR: 1080000`."""
    every_seconds: Every = 5
    """How often it is looked at."""


class Log(StrEnum):
    """The formats of logs that tell events."""

    KERNEL = "kernel"
    """Kernel lines (XID, SXID): `/var/log/kern.log`, `journalctl -k -o json -f > FILE`."""
    FABRIC_MANAGER = "fabric-manager"
    """`/var/log/fabricmanager.log`."""


class WatchedLog(Model):
    """A log that a machine goes on writing, or a collector for it. What is written from the start on is read."""

    id: TargetId
    path: Path
    format: Log
    host: str = Field(default="", max_length=253)
    """The machine that the lines are of, where they do not say so."""
    cluster: ClusterId | None = None
    every_seconds: Every = 1

    @model_validator(mode="after")
    def _knows_its_machine(self) -> WatchedLog:
        if self.format is Log.FABRIC_MANAGER and not self.host:
            raise ValueError(f"`{self.id}`: fabric manager's lines name no machine; write its name under `host`")
        return self


class Settings(Model):
    """Every source that asks, by kind. A new kind is a model here, and its adapter a row of `registry`."""

    redfish: tuple[RedfishService, ...] = ()
    prometheus: tuple[PrometheusServer, ...] = ()
    files: tuple[WatchedFile, ...] = ()
    logs: tuple[WatchedLog, ...] = ()

    def secrets(self) -> Mapping[str, Path]:
        """The file of each target's secret, by kind and id: `redfish.bmc-1`."""
        found = ((kind, t, t.secret) for kind, of in self for t in of if isinstance(t, Server))
        return {f"{kind}.{t.id}": secret for kind, t, secret in found if secret is not None}

    def with_secrets(self, files: Mapping[str, Path]) -> Self:
        """The same with the secrets in other files, named as `secrets` names them."""
        return self.model_copy(update={kind: tuple(_at(kind, t, files) for t in of) for kind, of in self})

    @model_validator(mode="after")
    def _names_each_target_once(self) -> Settings:
        for kind in type(self).model_fields:
            _once(kind, (t.id for t in getattr(self, kind)))
        for kind in ("files", "logs"):
            _once(kind, (str(t.path) for t in getattr(self, kind)))
        return self


def _at[T: Model](kind: str, target: T, files: Mapping[str, Path]) -> T:
    if not isinstance(target, Server) or target.secret is None:
        return target
    return target.model_copy(update={target.kept_in: files[f"{kind}.{target.id}"]})


def _once(kind: str, names: Iterable[str]) -> None:
    if twice := doubled(list(names)):
        raise ValueError(f"{kind}: `{twice[0]}` is there twice; keep one")
