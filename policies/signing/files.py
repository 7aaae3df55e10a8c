"""Signers whose key is a PKCS#8 PEM file of mode 0600, made by `placet init`. Refuses files that others may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from estate.errors import BadInput
from policies.signing.memory import MemorySigner

LARGEST_KEY_FILE = 4096


class FileSigner(MemorySigner):
    """An Ed25519 key read once from a file."""

    __slots__ = ()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new key at `path`, readable by its owner only, durable when this returns.

        Raises:
            BadInput: something is there already; keys are never overwritten.
        """
        return cls(_made(path, Ed25519PrivateKey.generate()))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key at `path`.

        Raises:
            BadInput: missing, readable by group or others, or not an unencrypted Ed25519 PKCS#8 PEM.
        """
        key = _loaded(path)
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInput(f"key file `{path}` holds another kind of key; placet signs with ed25519")
        return cls(key)


class MldsaFileSigner(MemorySigner):
    """An ML-DSA-44 key read once from a file: a second signature beside an Ed25519 one."""

    __slots__ = ()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new key at `path`, as `FileSigner.create` does."""
        return cls(_made(path, MLDSA44PrivateKey.generate()))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key at `path`. Raises as `FileSigner.load`."""
        key = _loaded(path)
        if not isinstance(key, MLDSA44PrivateKey):
            raise BadInput(f"key file `{path}` holds another kind of key; a second signature is by ml-dsa-44")
        return cls(key)


def _made[K: (Ed25519PrivateKey, MLDSA44PrivateKey)](path: Path, key: K) -> K:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_new(path, pem)
    return key


def _loaded(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(_read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadInput(f"key file `{path}` is not an unencrypted pkcs8 pem; make one with `placet init`") from error


def _write_new(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise BadInput(f"`{path}` exists and keys are never overwritten; choose another path") from error
    except OSError as error:
        raise BadInput(f"cannot write key file `{path}`: {error.strerror}; check its directory") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _read_private(path: Path) -> bytes:
    """The file's bytes, after a check on the opened file itself, so that it cannot be swapped in between."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(f"cannot read key file `{path}`: {error.strerror}; make one with `placet init`") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise BadInput(f"key file `{path}` is not a regular file")
        if mode & 0o077:
            raise BadInput(f"key file `{path}` may be read by others (mode {mode & 0o777:04o}); run `chmod 600 {path}`")
        return os.read(descriptor, LARGEST_KEY_FILE)
    finally:
        os.close(descriptor)
