"""BMCs and facility managers over Redfish: every chassis and system that a service knows, round after round.

A session is opened with the first round, renewed when the service forgets it, and closed at the end; a service without
sessions gets basic authentication. Resources are asked for one after the other, because BMCs are small. A resource that
fails costs no other; a service whose connection fails three times in a round is left alone, with what it said so far.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import httpx

from estate.clocks import Clock
from estate.errors import BadInput, Denied, NeverRetry, RetryLater
from tools.inventory.asking import answers, passwords
from tools.inventory.asking.rounds import AskingSource, Target
from tools.inventory.asking.settings import RedfishService
from tools.inventory.port import About, Heard, Observed
from tools.payloads import contexts, reading
from tools.payloads.contexts import Context
from tools.payloads.facts.readings import Readings
from tools.payloads.facts.statements import Fact
from tools.payloads.parsed import Fault
from tools.payloads.redfish import resources

ROOTS = ("/redfish/v1/Chassis", "/redfish/v1/Systems")
SESSIONS = "/redfish/v1/SessionService/Sessions"
MOST_RESOURCES = 4_000
"""Of one service in one round."""
_MOST_TROUBLES = 3
_TOKEN = "X-Auth-Token"  # noqa: S105 - a header's name


class RedfishSource(AskingSource[RedfishService]):
    """Asks several services."""

    kind = "redfish"

    async def watch(self) -> AsyncGenerator[Observed]:
        """Each service's answers, until closed."""
        async with AsyncExitStack() as stack:
            talks = [await stack.enter_async_context(_Talk(s, self.kind, self.clock)) for s in self.targets]
            targets = {t.service.id: Target(t.round, self.paced(t.service), _about(t.service)) for t in talks}
            watching = self.rounds(targets)
            stack.push_async_callback(watching.aclose)
            async for observed in watching:
                yield observed


def _about(service: RedfishService) -> About:
    whole = {"": service.manages} if service.manages is not None else {}
    return About(things={**whole, **{path.rstrip("/"): ref for path, ref in service.paths.items()}})


@dataclass(slots=True)
class _Said:
    """What one round has brought so far."""

    facts: list[Fact] = field(default_factory=list)
    readings: list[Readings] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Faults of the connection."""


class _Talk:
    """The conversation with one service."""

    def __init__(self, service: RedfishService, source: str, clock: Clock) -> None:
        self.service = service
        self._source = source
        self._clock = clock
        self._http = answers.client(service.url, verify=service.trust, timeout=service.timeout_seconds)
        self._session = ""
        """The path of our session, for its end."""

    async def __aenter__(self) -> _Talk:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the session: a BMC has few of them, and keeps forgotten ones for half an hour."""
        if self._session:
            with suppress(RetryLater, Denied, NeverRetry):
                await self._ask(self._http.build_request("DELETE", self._session))
        await self._http.aclose()

    async def round(self) -> Heard:
        """Everything that is read of the service now.

        Raises:
            RetryLater, Denied, NeverRetry: not one of the roots answered with what can be read.
        """
        said = _Said()
        waiting = deque(ROOTS)
        seen = set(ROOTS)
        while waiting and len(said.troubles) < _MOST_TROUBLES:
            for path in await self._resource(waiting.popleft(), said):
                if path not in seen and path.startswith("/redfish/") and len(seen) < MOST_RESOURCES:
                    seen.add(path)
                    waiting.append(path)
        if not said.facts and said.troubles:
            raise RetryLater(said.troubles[0])
        if not said.facts and said.faults:
            raise NeverRetry(f"nothing of it can be read: {said.faults[0]}")
        failure = f"stopped early: {said.troubles[0]}" if len(said.troubles) >= _MOST_TROUBLES else ""
        faults = (*said.faults, *(Fault("connection", t) for t in said.troubles if not failure))
        return Heard(
            self.service.id,
            self._clock(),
            tuple(said.facts),
            tuple(said.readings),
            faults=faults,
            failure=failure,
            partial=bool(said.troubles),
        )

    async def _resource(self, path: str, said: _Said) -> tuple[str, ...]:
        """Take in one resource; the paths that it leads to."""
        try:
            body = await self._get(path)
            context = Context(f"{self._source}/{self.service.id}", self.service.id, at=self._clock())
            parsed = resources.parse(body, contexts.headers(context))
            onward = resources.links(body)
        except RetryLater as error:
            said.troubles.append(str(error))
            return ()
        except (BadInput, NeverRetry) as error:
            said.faults.append(Fault(path, str(error)))
            return ()
        said.facts += parsed.facts
        said.readings += [parsed.readings] if len(parsed.readings) else []
        said.faults += [Fault(f"{path} {fault.at}", fault.reason) for fault in parsed.faults]
        return onward

    async def _get(self, path: str) -> bytes:
        """The resource; with a new session where the old one is gone."""
        fresh = await self._sign_in()
        try:
            return await self._ask(self._http.build_request("GET", path))
        except Denied:
            if fresh or not self.service.user:
                raise
        self._http.headers.pop(_TOKEN, None)
        self._session = ""
        await self._sign_in()
        return await self._ask(self._http.build_request("GET", path))

    async def _sign_in(self) -> bool:
        """Open a session where there is none; whether it was opened now."""
        if not self.service.user or _TOKEN in self._http.headers or self._http.auth is not None:
            return False
        password = await asyncio.to_thread(passwords.read, self.service.password_file)
        account = {"UserName": self.service.user, "Password": password}
        request = self._http.build_request("POST", SESSIONS, content=json.dumps(account).encode())
        request.headers["Content-Type"] = "application/json"
        try:
            response = await self._http.send(request)
        except httpx.TransportError as error:
            raise RetryLater(f"`{request.url}` cannot be reached: {type(error).__name__}") from error
        token = response.headers.get(_TOKEN, "")
        if response.is_success and token:
            self._http.headers[_TOKEN] = token
            self._session = httpx.URL(response.headers.get("Location", "")).path
            return True
        if response.status_code in {401, 403, 429} or response.is_server_error:
            answers.judge(response.status_code, request, response.content)
        self._http.auth = httpx.BasicAuth(self.service.user, password)
        return True

    async def _ask(self, request: httpx.Request) -> bytes:
        return await answers.body(self._http, request, reading.LARGEST_BODY)
