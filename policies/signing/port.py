"""The Signer port: one private key for one role. A key is named by its `KeyId`, which says how it signs."""

from __future__ import annotations

from typing import Protocol

from estate.ids import KeyId


class Signer(Protocol):
    """Holds one private key and never shows it."""

    @property
    def key_id(self) -> KeyId:
        """The algorithm (`ed25519`, `mldsa44`) and the first 16 hexadecimal digits of SHA-256 over the public key."""

    @property
    def public_key(self) -> bytes:
        """The raw public key: 32 bytes of Ed25519, 1312 of ML-DSA-44."""

    @property
    def remote(self) -> bool:
        """Whether signing is a call that may take its time: whoever has others to serve makes it in a thread."""

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`: 64 bytes of Ed25519, 2420 of ML-DSA-44."""
