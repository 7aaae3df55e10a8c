"""The configuration of a nats-server that somebody else runs: users, permissions, storage; no password in the clear.

Called by `console.issuing`. The server keeps bcrypt hashes, so that its files let nobody speak as another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt

from tools.bus.accounts import User, users_block

MONITOR = "127.0.0.1:8222"
_ROUNDS = 4
"""A password here is 256 random bits: no number of rounds makes it harder to guess, and each connection costs them."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens and stores."""

    listen: str
    store: Path
    sync_always: bool = True
    certificate: Path | None = None
    """PEM, its key beside it as `.key`. None: no TLS."""


def listening(url: str) -> str:
    """Where a server listens that is reached at `url`: on loopback if that is how it is reached, else everywhere."""
    parts = urlsplit(url.split(",", maxsplit=1)[0])
    host = parts.hostname or "127.0.0.1"
    return f"{host if host in _LOOPBACK else '0.0.0.0'}:{parts.port or 4222}"  # noqa: S104 - a server for others


def configuration(users: Sequence[User], place: Place) -> str:
    """What the server's configuration file says."""
    lines = [
        f"listen: {json.dumps(place.listen)}",
        f"http: {json.dumps(MONITOR)}",
        "jetstream {",
        f"  store_dir: {json.dumps(str(place.store))}",
        "  max_file_store: 64GB",
        *(["  sync_interval: always"] if place.sync_always else []),
        "}",
        *_tls(place.certificate),
    ]
    return "\n".join(lines) + "\n" + users_block([_hashed(user) for user in users])


def _tls(certificate: Path | None) -> list[str]:
    """Whoever does not speak TLS is turned away."""
    if certificate is None:
        return []
    files = {"cert_file": certificate, "key_file": certificate.with_suffix(".key")}
    return ["tls {", *(f"  {name}: {json.dumps(str(path))}" for name, path in files.items()), "}"]


def _hashed(user: User) -> User:
    hashed = bcrypt.hashpw(user.password.encode(), bcrypt.gensalt(_ROUNDS, b"2a"))
    return replace(user, password=hashed.decode())
