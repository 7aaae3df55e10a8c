"""Signers whose keys live and die with the process: tests, rehearsals, and the core of the file signers."""

from __future__ import annotations

from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from estate.clocks import Entropy
from estate.ids import KeyId
from policies.keyrings import key_id_of

SEED_BYTES = 32


class MemorySigner:
    """An Ed25519 key in memory. It signs, and never shows the private key."""

    __slots__ = ("_key", "_key_id", "_public")

    remote = False

    def __init__(self, key: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self._key_id = key_id_of(self._public)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """A new key from 32 bytes of `entropy`."""
        return cls(Ed25519PrivateKey.from_private_bytes(entropy(SEED_BYTES)))

    @property
    def key_id(self) -> KeyId:
        """The name of this key."""
        return self._key_id

    @property
    def public_key(self) -> bytes:
        """The raw public key."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return self._key.sign(data)


class MemoryMldsaSigner(MemorySigner):
    """An ML-DSA-44 key in memory: a second signature beside an Ed25519 one."""

    __slots__ = ()

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """A new key from 32 bytes of `entropy`."""
        return cls(MLDSA44PrivateKey.from_seed_bytes(entropy(SEED_BYTES)))
