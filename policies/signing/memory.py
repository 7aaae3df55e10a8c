"""A signer whose key lives and dies with the process: tests, rehearsals, and the core of the file signer."""

from __future__ import annotations

from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from estate.clocks import Entropy
from estate.ids import KeyId
from policies.keyrings import KEY_BYTES, key_id_of


class MemorySigner:
    """An Ed25519 key in memory. It signs, and never shows the private key."""

    __slots__ = ("_key", "_key_id", "_public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self._key_id = key_id_of(self._public)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """A new key from 32 bytes of `entropy`."""
        return cls(Ed25519PrivateKey.from_private_bytes(entropy(KEY_BYTES)))

    @property
    def key_id(self) -> KeyId:
        """The name of this key."""
        return self._key_id

    @property
    def public_key(self) -> bytes:
        """The raw 32-byte public key."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `data`."""
        return self._key.sign(data)
