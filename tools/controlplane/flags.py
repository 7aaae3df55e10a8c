"""The flags of each component, from options, ports and the files of the authority. Pure.

Called by `launching`. Admission is the API server's default set, ValidatingAdmissionPolicy and MutatingAdmissionPolicy
among it; service accounts work as in a real cluster (controllers use their own, tokens come from TokenRequest).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.controlplane.components import Part
from tools.controlplane.credentials import MASTERS, Authority

HERE = Path(__file__).parent
# Sockets relative to etcd's and the API server's working folder: a path may be longer than a socket's name can be.
_ETCD, _PEER = "unix://client:1", "unix://peer:1"
# Clients limit themselves to some tens of requests a second by default, which makes a thousand pods take a minute.
_UNTHROTTLED = ("--kube-api-qps=5000", "--kube-api-burst=10000")
_LEASE_SECONDS = 40
AUDIT_LOG = "audit.log"
CONTROLLER_MANAGER_USER, SCHEDULER_USER, KWOK_USER = "system:kube-controller-manager", "system:kube-scheduler", "kwok"
USERS = (
    ("admin", MASTERS),
    (CONTROLLER_MANAGER_USER, "placet:components"),
    (SCHEDULER_USER, "placet:components"),
    (KWOK_USER, MASTERS),
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a control plane has, beyond etcd and the API server."""

    controller_manager: bool = True
    scheduler: bool = True
    kwok: bool = True
    audit: bool = True
    """Log metadata of every request."""
    heartbeats: bool = False
    """Whether nodes must renew their leases, and fail without kwok. A loaded machine can miss a renewal, and kwok takes
    ten seconds over a node that returns under an old name. Without, a node fails when somebody says so (`faults`)."""
    fsync: bool = False
    """Whether etcd syncs to disk; a lost machine then loses nothing, and every write is slower."""
    stages: Path = HERE / "stages.yaml"
    """How kwok plays kubelets."""
    api_server_flags: tuple[str, ...] = ()
    """Further flags of the API server, e.g. `--max-requests-inflight=20`."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The components that run."""
        chosen = {
            Part.CONTROLLER_MANAGER: self.controller_manager,
            Part.SCHEDULER: self.scheduler,
            Part.KWOK: self.kwok,
        }
        return tuple(part for part in Part if chosen.get(part, True))


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports, chosen once for all restarts."""

    api_server: int
    controller_manager: int
    scheduler: int


@dataclass(frozen=True, slots=True)
class Flags:
    """Makes the flags of one control plane."""

    folder: Path
    options: Options
    ports: Ports
    authority: Authority

    def of(self, part: Part) -> tuple[str, ...]:
        """The flags of one component."""
        made = {
            Part.ETCD: self._etcd,
            Part.API_SERVER: self._api_server,
            Part.CONTROLLER_MANAGER: self._controller_manager,
            Part.SCHEDULER: self._scheduler,
            Part.KWOK: self._kwok,
        }
        return made[part]()

    def _etcd(self) -> tuple[str, ...]:
        return (
            "--name=placet",
            f"--data-dir={self.folder / 'etcd'}",
            f"--unsafe-no-fsync={str(not self.options.fsync).lower()}",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            f"--listen-peer-urls={_PEER}",
            f"--initial-advertise-peer-urls={_PEER}",
            f"--initial-cluster=placet={_PEER}",
        )

    def _api_server(self) -> tuple[str, ...]:
        public, private = self.authority.service_account_files
        return (
            f"--etcd-servers={_ETCD}",
            *self._serving(self.ports.api_server),
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/16",
            f"--client-ca-file={self.authority.ca_file}",
            f"--token-auth-file={self.authority.token_file}",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            *self._admission(),
            *self._audit(),
            *self.options.api_server_flags,
        )

    def _admission(self) -> tuple[str, ...]:
        # It closes every new node until a controller has looked again, which is nearly all that a node costs here.
        left_out = ["TaintNodesByCondition"]
        if not self.options.controller_manager:
            # Nobody makes a namespace's default service account then, and no pod gets in.
            left_out.append("ServiceAccount")
        return (f"--disable-admission-plugins={','.join(left_out)}",)

    def _audit(self) -> tuple[str, ...]:
        if not self.options.audit:
            return ()
        return f"--audit-policy-file={HERE / 'audit.yaml'}", f"--audit-log-path={self.folder / AUDIT_LOG}"

    def _controller_manager(self) -> tuple[str, ...]:
        _, private = self.authority.service_account_files
        return (
            *self._serving(self.ports.controller_manager),
            f"--kubeconfig={self._kubeconfig(CONTROLLER_MANAGER_USER)}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            # It writes a hint for kubelets into each node, and there are none.
            "--controllers=*,-ttl-controller",
            "--node-monitor-period=1s",
            "--horizontal-pod-autoscaler-sync-period=1s",
            *(() if self.options.heartbeats else ("--node-monitor-grace-period=87600h",)),
            *_UNTHROTTLED,
            f"--service-account-private-key-file={private}",
            f"--root-ca-file={self.authority.ca_file}",
        )

    def _scheduler(self) -> tuple[str, ...]:
        return (
            *self._serving(self.ports.scheduler),
            f"--kubeconfig={self._kubeconfig(SCHEDULER_USER)}",
            "--leader-elect=false",
            *_UNTHROTTLED,
        )

    def _kwok(self) -> tuple[str, ...]:
        return (
            f"--kubeconfig={self._kubeconfig(KWOK_USER)}",
            f"--config={self.options.stages}",
            "--manage-all-nodes=true",
            f"--node-lease-duration-seconds={_LEASE_SECONDS if self.options.heartbeats else 0}",
        )

    def _serving(self, port: int) -> tuple[str, ...]:
        certificate, key = self.authority.server_files
        return (
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
        )

    def _kubeconfig(self, user: str) -> Path:
        server = f"https://127.0.0.1:{self.ports.api_server}"
        return self.authority.with_token(user, self.authority.token(user), server).kubeconfig
