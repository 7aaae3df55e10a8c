"""Starts a control plane: `async with controlplane() as plane`. Several at once, each in a folder of its own.

Called by tests, demo, evals and benchmarks. etcd is reached by a socket in a folder of mode 0700 alone; everything else
listens on loopback, behind TLS and RBAC. Start it on the thread that lives as long as it shall (`components`).
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

import httpx
from kubernetes.aio.client import ApiClient, ApiException

from estate.errors import BadInput
from tools.controlplane import clients, finding, flags, folders
from tools.controlplane.components import Command, Component, Part, PortTaken, Probe
from tools.controlplane.credentials import Authority, Identity
from tools.controlplane.finding import Binaries
from tools.controlplane.flags import Options, Ports

ADMIN = "admin"
_KEPT = frozenset({Part.CONTROLLER_MANAGER, Part.SCHEDULER, Part.KWOK})
"""What a kubelet would start again. A scheduler ends itself where an API server that came back tells it of a pod on
another node than it remembers; etcd and the API server are killed and started by whoever tests that.
"""
_ATTEMPTS = 5
# Below Linux's range for outgoing connections, so that nobody is given the port while its owner restarts.
_PORTS = (20_000, 32_000)
_POLL_SECONDS = 0.05
_ETCD_READY = "ready to serve client requests"
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane."""

    server: str
    """The API server's address, `https://127.0.0.1:PORT`."""
    directory: Path
    admin: Identity
    """A member of `system:masters`."""
    audit_log: Path
    """Every request as one JSON line (see `auditing`); absent where the options leave it out."""
    components: Mapping[Part, Component]
    authority: Authority

    @property
    def ca_file(self) -> Path:
        """The certificate that clients trust."""
        return self.authority.ca_file

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.admin.kubeconfig

    def component(self, part: Part) -> Component:
        """One component. Raises BadInput where the options left it out."""
        if part not in self.components:
            raise BadInput(f"this control plane has no `{part}`; ask for it in the options")
        return self.components[part]

    def identity(self, user: str, groups: Sequence[str] = (), lifetime: timedelta = _A_DAY) -> Identity:
        """A new user with a client certificate; what it may do is for RBAC to say."""
        return self.authority.with_certificate(user, groups, self.server, lifetime)

    async def service_account(self, namespace: str, name: str, lifetime: timedelta = _A_DAY) -> Identity:
        """A service account, made where it is missing, with a token of its own from the API server."""
        async with self.client() as api:
            token = await clients.service_account_token(api, namespace, name, lifetime)
        return self.authority.with_token(f"system:serviceaccount:{namespace}:{name}", token, self.server)

    @asynccontextmanager
    async def client(self, identity: Identity | None = None) -> AsyncIterator[ApiClient]:
        """The official client as that identity, or as the administrator."""
        async with await clients.connect((identity or self.admin).kubeconfig) as api:
            yield api

    async def kill(self, part: Part = Part.API_SERVER) -> None:
        """kill -9; returns when it is gone."""
        await self.component(part).stop(kill=True)

    async def stop(self, part: Part = Part.API_SERVER) -> None:
        """Stop it in order."""
        await self.component(part).stop()

    async def start(self, part: Part = Part.API_SERVER) -> None:
        """Start it again with the same port and data; returns when it serves."""
        await self.component(part).start()

    async def restart(self, part: Part = Part.API_SERVER) -> None:
        """Stop and start."""
        await self.stop(part)
        await self.start(part)


@asynccontextmanager
async def controlplane(
    directory: Path | None = None, *, options: Options | None = None, binaries: Binaries | None = None
) -> AsyncIterator[ControlPlane]:
    """A control plane for the length of an `async with`; in `directory` its objects outlive it.

    Raises:
        BinariesMissing: they are neither named by `KUBEBUILDER_ASSETS` nor built.
        ComponentFailed: a component ended while it started.
    """
    with folders.held(directory) as folder:

        def prepare() -> ControlPlane:
            return _prepared(folder, options or Options(), binaries or finding.find())

        async with AsyncExitStack() as stack:
            plane = await _started(stack, prepare, kill=directory is None)
            for part in _KEPT & plane.components.keys():
                keeping = asyncio.create_task(plane.components[part].keep(), name=f"keep {part}")
                stack.callback(keeping.cancel)
            yield plane


async def _started(stack: AsyncExitStack, prepare: Callable[[], ControlPlane], *, kill: bool) -> ControlPlane:
    """A plane that serves, on other ports where somebody took the first; the stack ends it."""
    for attempt in reversed(range(_ATTEMPTS)):
        plane = await asyncio.to_thread(prepare)
        stack.push_async_callback(_end, plane, kill=kill)
        try:
            await _start(plane)
            break
        except PortTaken:
            if not attempt:
                raise
            await stack.aclose()
    return plane


async def _start(plane: ControlPlane) -> None:
    """etcd, then the API server, then the rest together: each waits for what it needs."""
    first = (Part.ETCD, Part.API_SERVER)
    for part in first:
        await plane.start(part)
    try:
        async with asyncio.TaskGroup() as group:
            for part in plane.components.keys() - set(first):
                group.create_task(plane.start(part), name=f"start {part}")
            if Part.CONTROLLER_MANAGER in plane.components:
                group.create_task(_until_pods_may_come(plane), name="await the default service account")
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


async def _until_pods_may_come(plane: ControlPlane) -> None:
    """Pods of a namespace are refused until the controller manager has made its default service account."""
    async with plane.client() as api:
        while True:
            try:
                await clients.ask(api, "GET", "/api/v1/namespaces/default/serviceaccounts/default")
                return
            except ApiException as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
            await asyncio.sleep(_POLL_SECONDS)


async def _end(plane: ControlPlane, *, kill: bool) -> None:
    """The API server's clients first, etcd last; with `kill` nobody waits for anybody."""
    parts = [part for part in reversed(Part) if part in plane.components]
    if kill:
        await asyncio.gather(*(plane.kill(part) for part in parts))
        return
    for part in parts:
        await plane.stop(part)


def _prepared(folder: Path, options: Options, binaries: Binaries) -> ControlPlane:
    """Everything but the processes: keys, tokens, kubeconfigs, ports, flags. Blocking."""
    authority = Authority(folder / "identities")
    authority.found(flags.USERS)
    ports = Ports(*_free_ports(3))
    server = f"https://127.0.0.1:{ports.api_server}"
    admin = authority.with_token(ADMIN, authority.token(ADMIN), server)
    made = flags.Flags(folder, options, ports, authority)
    probes = _probes(ports, ssl.create_default_context(cafile=str(authority.ca_file)), admin)
    commands = {p: Command(p, binaries.of(p), made.of(p), folder, probes[p]) for p in options.parts}
    components = MappingProxyType({part: Component(command) for part, command in commands.items()})
    return ControlPlane(server, folder, admin, folder / flags.AUDIT_LOG, components, authority)


def _probes(ports: Ports, trust: ssl.SSLContext, admin: Identity) -> dict[Part, Probe]:
    async def etcd(component: Component) -> bool:
        return _ETCD_READY in component.tail()

    async def kwok(component: Component) -> bool:
        return component.pid is not None

    def answers(port: int, path: str) -> Probe:
        async def probe(component: Component) -> bool:
            headers = {"Authorization": f"Bearer {admin.token}"}
            with suppress(httpx.TransportError):
                async with httpx.AsyncClient(verify=trust, headers=headers, trust_env=False) as http:
                    return (await http.get(f"https://127.0.0.1:{port}{path}")).status_code == HTTPStatus.OK
            return False

        return probe

    return {
        Part.ETCD: etcd,
        Part.API_SERVER: answers(ports.api_server, "/readyz"),
        Part.CONTROLLER_MANAGER: answers(ports.controller_manager, "/healthz"),
        Part.SCHEDULER: answers(ports.scheduler, "/readyz"),
        Part.KWOK: kwok,
    }


def _free_ports(count: int) -> list[int]:
    """Distinct loopback ports that nobody listens on now."""
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(*_PORTS)  # noqa: S311 - a port is no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)
