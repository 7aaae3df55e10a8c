"""The KeyRing port: the public keys that a verifier trusts for one purpose. Apart from signing, so that those who only
verify never import a private key.
"""

from __future__ import annotations

from typing import Protocol

from estate.ids import KeyId


class KeyRing(Protocol):
    """Public keys that a verifier trusts for one purpose."""

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key, or None when this ring does not trust it."""
