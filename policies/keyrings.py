"""The KeyRing port: the public keys that a verifier trusts for one purpose. Apart from signing, so that those who only
verify never import a private key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol, Self

from estate.errors import BadInput
from estate.ids import KeyId

KEY_BYTES = 32


class KeyRing(Protocol):
    """Public keys that a verifier trusts for one purpose."""

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key, or None when this ring does not trust it."""


def key_id_of(public_key: bytes) -> KeyId:
    """The name of a raw Ed25519 public key: `ed25519:` and the first 16 hexadecimal digits of its SHA-256."""
    return KeyId(f"ed25519:{hashlib.sha256(public_key).hexdigest()[:16]}")


class StaticRing:
    """A ring of the keys it was given, for one purpose, for good. Refuses a key under a name that is not its own."""

    def __init__(self, keys: Mapping[KeyId, bytes]) -> None:
        for name, key in keys.items():
            if len(key) != KEY_BYTES or key_id_of(key) != name:
                raise BadInput(f"`{name}` does not name the key it stands for; give the raw 32-byte Ed25519 key")
        self._keys = dict(keys)

    @classmethod
    def of(cls, *public_keys: bytes) -> Self:
        """The ring of these raw public keys."""
        return cls({key_id_of(key): key for key in public_keys})

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key, or None when this ring does not trust it."""
        return self._keys.get(key)
