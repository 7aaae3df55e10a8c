"""The Signer port: one private key for one role. Keys are Ed25519; a key is named by its `KeyId`."""

from __future__ import annotations

from typing import Protocol

from estate.ids import KeyId


class Signer(Protocol):
    """Holds one private key and never shows it."""

    @property
    def key_id(self) -> KeyId:
        """`ed25519:` and the first 16 hexadecimal digits of SHA-256 over the raw public key."""

    @property
    def public_key(self) -> bytes:
        """The raw 32-byte public key."""

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `data`."""
