"""`placet.yaml`: what an installation is made of. Flags go before `PLACET_*`, before the file, before the defaults.

Read by the CLI and `console.bootstrap`. Every fault names file, field and remedy. Nothing here opens what it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, field_validator, model_validator

from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import ChannelId, ClusterId, ComponentId, Digest, ExecutorId, InstallationId, TenantId
from estate.modes import Mode
from estate.records import Model, doubled, explain
from policies.ledger.verifier_keys import VerifierKey
from tools.inventory.asking.settings import Settings as SourceSettings
from tools.sensors.registry import Settings as SensorSettings


class Format(StrEnum):
    """The payload formats that the HTTP door takes."""

    CLOUDEVENTS = "cloudevents"
    ALERTMANAGER = "alertmanager"
    NVSENTINEL = "nvsentinel"
    KERNEL = "kernel"
    FABRIC_MANAGER = "fabric-manager"
    KUBERNETES = "kubernetes"
    """Events of node-problem-detector and its like."""
    CLOUD = "cloud"
    """Notices that take an instance back."""


class Sync(StrEnum):
    """When the embedded NATS server flushes its store to the disk."""

    ALWAYS = "always"
    """Before it acknowledges a message: nothing acknowledged is lost with the power."""
    INTERVAL = "interval"
    """Every two minutes. A kill loses nothing, a power cut the last minutes: for demos, tests and benchmarks."""


_OWN_CHANNELS = frozenset({"front-door", "inventory"})
"""What only a process of ours may say: a sender of that name would speak in its place."""


class Pace(Model):
    """How fast somebody may ask."""

    per_second: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Times a second in the long run: posts to the HTTP door, or calls to the front door."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000
    """Times at once, after a rest."""


class Channel(Pace):
    """An authenticated way in. Its credential fixes clusters and tenant; a payload never does."""

    id: ChannelId
    clusters: tuple[ClusterId, ...] = Field(min_length=1)
    """The clusters whose names its payloads may use."""
    tenant: TenantId | None = None
    formats: tuple[Format, ...] = tuple(Format)
    token_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hexadecimal SHA-256 of the bearer token; the token itself is never written down here. None: no way in by HTTP."""


class ExecutorSpec(Model):
    """An executor and the clusters it writes; no two executors write one cluster."""

    id: ExecutorId
    clusters: tuple[ClusterId, ...] = ()
    """Empty: every cluster that no other executor names."""


class Credentials(Model):
    """How a process reaches a cluster: a kubeconfig file and a context of it, or the pod that it runs in."""

    kubeconfig: Path | None = None
    """None: the service account of the pod."""
    context: str | None = None
    """None: the file's current context."""


class Cluster(Model):
    """A Kubernetes cluster that the facts know, and as whom Placet reaches it. RBAC is what keeps the two apart."""

    id: ClusterId
    reader: Credentials | None = None
    """As whom the inventory reads. It may write nothing: `placet run` looks, and refuses it otherwise."""
    writer: Credentials | None = None
    """As whom its executor writes. None: nobody writes it."""
    registrar: Credentials | None = None
    """As whom the gate registers warrants there, where the door lets none through but these (`placet policy export
    admission`). None: the door takes any new mark, so that whoever steals the writer's credentials can make one up."""
    declared: tuple[Path, ...] = ()
    """Files of objects that should be there, or folders of them: what a repository or a rendered chart says. Nothing of
    them is applied; where the cluster is otherwise, `placet drift` tells it. They are watched."""


class Http(Model):
    """Where the HTTP door listens. Port 0 takes any free one; `run/system.json` says which."""

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)


class HttpWitness(Model):
    """A witness that cosigns the ledger's checkpoints (C2SP tlog-witness), Placet's own or anybody's."""

    kind: Literal["http"] = "http"
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
    key: str
    """Its public key, as its `.vkey` says it."""

    @field_validator("key")
    @classmethod
    def _is_witness(cls, text: str) -> str:
        try:
            known = VerifierKey.parse(text)
        except BadInput as error:
            raise ValueError(str(error)) from error
        if not known.is_witness:
            raise ValueError(f"`{known.name}` is a ledger's key and no witness's; give the witness's `.vkey`")
        return text


class GitWitness(Model):
    """A Git repository that keeps the ledger's checkpoints for others to fetch; `git` pushes, and never forces."""

    kind: Literal["git"] = "git"
    repository: Annotated[str, StringConstraints(pattern=r"^[^\s\-][^\s]*$")]
    branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/\-]*$")] = "main"


class RemoteKey(Model):
    """A role's key that lies in a key management service and never leaves it."""

    uri: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+:[^\s]+$")]
    """As securesystemslib writes it: `hv:NAME/VERSION`, `awskms:ARN`, `gcpkms:…`, `azurekms:…`, `hsm:…`, `file2:…`."""
    public_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    """The raw Ed25519 public key in base64."""


class RunbookMind(Model):
    """Plans by rules: deterministic, and all that is needed."""

    kind: Literal["runbook"] = "runbook"


class ModelMind(Model):
    """Plans with a chat model, within what its registration in the signed facts allows; else the runbook answers."""

    kind: Literal["model"] = "model"
    chat: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """The class of LangChain's that asks it, `langchain_openai:ChatOpenAI`; its package is installed beside Placet."""
    registration: ComponentId
    """Under which the facts register it: whose data it may see, and where prompts go."""
    content: Digest | None = None
    """What its endpoint says it is; None: it says nothing, and the registration is believed."""
    arguments: dict[str, Json] = Field(default_factory=dict)
    """What the class is made with: `{model: …, base_url: …, temperature: 0}`. No secrets."""
    key_file: Path | None = None
    """The file that holds its key, readable by the agent alone."""
    key_argument: str = "api_key"
    """The argument that takes the key."""
    within_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How long a question may take, tools included."""


class Config(Model):
    """An installation's settings; every one has a default that needs nothing else installed."""

    apiVersion: Literal["placet.dev/v1"] = "placet.dev/v1"
    kind: Literal["Config"] = "Config"
    installation: InstallationId | None = None
    """None: the one in the state directory."""
    facts: Path | None = None
    """Signed facts (a DSSE envelope). None: the state directory's."""
    world: Path | None = None
    """What a new twin starts with. None: the state directory's."""
    twin: Path | None = None
    """The twin's own store, which executors and inventory share. None: in the state directory."""
    nats_url: str | None = None
    """None: an embedded server. `tls://…` speaks TLS, `nats://…` does not."""
    nats_authority: Path | None = None
    """The authorities (PEM) that the server's certificate must come from. None: the installation's own."""
    nats_sync: Sync = Sync.ALWAYS
    """Of the embedded server; a server of your own has `sync_interval`."""
    ledger: str = "sqlite"
    """`sqlite` (in the state directory) or `postgresql://…`. Processes apart take an address without a user as one
    where `placet provision` makes a user for each of them."""
    heartbeat_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """How often the gate says in the ledger that it is there. A gap is an alarm."""
    witnesses: tuple[Annotated[HttpWitness | GitWitness, Field(discriminator="kind")], ...] = ()
    """Who is shown the ledger's checkpoints, outside of whoever holds its key. Shown by the console."""
    checkpoint_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """How often the console signs a checkpoint of a ledger that has grown, and shows it to the witnesses."""
    remote_keys: dict[Literal["gate", "ledger"], RemoteKey] = Field(default_factory=dict)
    """Roles whose keys lie in a key service. Put one in the place of a file's with `placet rotate ROLE`."""
    checkpoints: str = "embedded"
    """`embedded` (in JetStream) or `postgresql://…`, likewise."""
    mode: Mode | None = None
    """Where no signed setting says otherwise. None: `automatic` on a twin, `observe` on real clusters."""
    profile: str = "house"
    """The numbers that the rules compare with: a shipped profile (`placet policy profiles`), or the path of a file."""
    clusters: tuple[Cluster, ...] = ()
    """Kubernetes clusters. None: the twin is the world."""
    estate: tuple[Path, ...] = ()
    """Estate files, or folders of them: facilities, fabrics, hardware, promises, prices. They are watched."""
    desired: Path | None = None
    """A world file that says how nodes and workloads should be. Nothing of it is applied: where the estate is not so,
    `placet drift` tells it. It is watched."""
    sources: SourceSettings = SourceSettings()
    """Whom the inventory asks beside clusters: Redfish services, Prometheus servers, and files that others write."""
    clusters_within_seconds: Annotated[int, Field(ge=1, le=86_400)] = 120
    """How long the inventory waits at its start for a cluster that is out of reach; then its racks count as unknown."""
    channels: tuple[Channel, ...] = ()
    executors: tuple[ExecutorSpec, ...] = (ExecutorSpec(id=ExecutorId("twin")),)
    sensors: SensorSettings = SensorSettings()
    """What is watched, and the thresholds at which it is told."""
    http: Http = Http()
    people: Pace = Pace()
    """How fast each person may call the front door."""
    mind: Annotated[RunbookMind | ModelMind, Field(discriminator="kind")] = RunbookMind()
    """What plans inside a graph. It can only propose."""

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> Config:
        _once("channels", [c.id for c in self.channels])
        if taken := sorted(_OWN_CHANNELS.intersection(c.id for c in self.channels)):
            raise ValueError(f"channels: `{taken[0]}` is placet's own; choose another id")
        _once("clusters", [c.id for c in self.clusters])
        _once("executors", [e.id for e in self.executors])
        _once("executors.clusters", [c for e in self.executors for c in e.clusters])
        for field in ("ledger", "checkpoints"):
            _known_store(field, getattr(self, field))
        return self

    @property
    def standing_mode(self) -> Mode:
        """The mode where no signed setting says otherwise."""
        return self.mode or (Mode.OBSERVE if self.clusters else Mode.AUTOMATIC)

    @property
    def ledger_heartbeat(self) -> timedelta:
        """How often the gate beats."""
        return timedelta(seconds=self.heartbeat_seconds)

    def executor_of(self, cluster: ClusterId) -> ExecutorId | None:
        """Who writes `cluster`: the executor that names it, else the first that names none."""
        named = next((e.id for e in self.executors if cluster in e.clusters), None)
        return named or next((e.id for e in self.executors if not e.clusters), None)

    def clusters_of(self, executor: ExecutorId) -> tuple[ClusterId, ...]:
        """The Kubernetes clusters that it writes, by id."""
        return tuple(sorted(c.id for c in self.clusters if self.executor_of(c.id) == executor))


def load(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, str | int | None] | None = None
) -> Config:
    """The settings in force. `file` may be absent; a `None` flag counts as not given.

    Raises:
        BadInput: a value does not fit; the message names where it was written, the field and the fault.
    """
    settings: dict[str, Any] = _from_file(file) if file is not None else {}
    written: dict[str, str] = {}
    for field, value, source in (*_from_environment(environment), *_from_flags(flags or {})):
        _put(settings, field, value)
        written[field] = source
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise BadInput(_fault(error, file, written)) from error


def schema() -> dict[str, Any]:
    """The JSON Schema of `placet.yaml`."""
    return TypeAdapter(Config).json_schema()


def write(config: Config) -> str:
    """The settings as YAML, defaults left out."""
    form = {
        "apiVersion": config.apiVersion,
        "kind": config.kind,
        **config.model_dump(mode="json", exclude_defaults=True),
    }
    return yaml.safe_dump(form, sort_keys=False)


VARIABLES: Mapping[str, str] = {
    "PLACET_INSTALLATION": "installation",
    "PLACET_FACTS": "facts",
    "PLACET_WORLD": "world",
    "PLACET_TWIN": "twin",
    "PLACET_NATS_URL": "nats_url",
    "PLACET_NATS_SYNC": "nats_sync",
    "PLACET_LEDGER": "ledger",
    "PLACET_CHECKPOINTS": "checkpoints",
    "PLACET_MODE": "mode",
    "PLACET_PROFILE": "profile",
    "PLACET_HTTP_HOST": "http.host",
    "PLACET_HTTP_PORT": "http.port",
}
"""Each environment variable and the field it sets."""


def _from_file(file: Path) -> dict[str, Any]:
    try:
        form = yaml.safe_load(file.read_text())
    except FileNotFoundError as error:
        raise BadInput(f"{file}: no such file; correct the path or run `placet init`") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{file}: cannot be read: {' '.join(str(error).split())}; correct the file") from error
    if form is None:
        return {}
    if not isinstance(form, dict) or not all(isinstance(k, str) for k in form):
        raise BadInput(f"{file}: expected fields with names at the top; see `placet schema config`")
    return form


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str | int, str]]:
    return [(field, environment[name], name) for name, field in VARIABLES.items() if environment.get(name)]


def _from_flags(flags: Mapping[str, str | int | None]) -> list[tuple[str, str | int, str]]:
    names = ((field, value, f"--{field.replace('.', '-').replace('_', '-')}") for field, value in flags.items())
    return [(field, value, name) for field, value, name in names if value is not None]


def _put(settings: dict[str, Any], field: str, value: str | int) -> None:
    head, _, tail = field.partition(".")
    if not tail:
        settings[head] = value
        return
    inner = settings.get(head)
    settings[head] = {**(inner if isinstance(inner, dict) else {}), tail: value}


def _fault(error: ValidationError, file: Path | None, written: Mapping[str, str]) -> str:
    first = ".".join(str(p) for p in error.errors()[0]["loc"])
    place = written.get(first) or (str(file) if file is not None else "configuration")
    return f"{place}: {explain(error)}; see `placet schema config`"


def _once(field: str, ids: list[Any]) -> None:
    if twice := doubled(ids):
        raise ValueError(f"{field}: `{twice[0]}` is there twice; keep one")


def _known_store(field: str, value: str) -> None:
    plain = {"ledger": "sqlite", "checkpoints": "embedded"}[field]
    if value != plain and not value.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"{field}: `{value}` is neither `{plain}` nor a `postgresql://` address; write one of them")
