"""The KeyRing port: the public keys that a verifier trusts for one purpose. Apart from signing, so that those who only
verify never import a private key.

Keys are Ed25519; beside one of those an ML-DSA-44 key may stand, and then both must have signed: who breaks the one
with a quantum computer still lacks the other. Refused: a key under a name that is not its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from estate.errors import BadInput
from estate.ids import KeyId

KEY_BYTES = 32
MLDSA44_KEY_BYTES = 1312


class Algorithm(StrEnum):
    """How a key signs; what its name begins with."""

    ED25519 = "ed25519"
    MLDSA44 = "mldsa44"


_BYTES = {KEY_BYTES: Algorithm.ED25519, MLDSA44_KEY_BYTES: Algorithm.MLDSA44}


class KeyRing(Protocol):
    """Public keys that a verifier trusts for one purpose."""

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key, or None when this ring does not trust it."""

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """What must have signed: every algorithm of which the ring holds a key."""


def key_id_of(public_key: bytes) -> KeyId:
    """The name of a raw public key. Raises BadInput: it has the length of none that placet knows."""
    algorithm = _BYTES.get(len(public_key))
    if algorithm is None:
        raise BadInput(f"a key of {len(public_key)} bytes is none that placet knows; give a raw 32-byte Ed25519 key")
    return KeyId(f"{algorithm.value}:{hashlib.sha256(public_key).hexdigest()[:16]}")


def algorithm_of(key: KeyId) -> Algorithm:
    """How that key signs."""
    return Algorithm(key.partition(":")[0])


def algorithms_of(keys: Iterable[KeyId]) -> frozenset[Algorithm]:
    """How these keys sign."""
    return frozenset(algorithm_of(key) for key in keys)


def is_signed(key: KeyId, public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether that key signed `data`."""
    try:
        match algorithm_of(key):
            case Algorithm.ED25519:
                Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
            case Algorithm.MLDSA44:
                MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


class StaticRing:
    """A ring of the keys it was given, for one purpose, for good."""

    def __init__(self, keys: Mapping[KeyId, bytes]) -> None:
        for name, key in keys.items():
            if len(key) not in _BYTES or key_id_of(key) != name:
                raise BadInput(f"`{name}` does not name the key it stands for; give the raw 32-byte Ed25519 key")
        self._keys = dict(keys)
        self.algorithms = algorithms_of(keys)

    @classmethod
    def of(cls, *public_keys: bytes) -> Self:
        """The ring of these raw public keys."""
        return cls({key_id_of(key): key for key in public_keys})

    @property
    def keys(self) -> frozenset[KeyId]:
        """The names of all of them."""
        return frozenset(self._keys)

    def public_key(self, key: KeyId) -> bytes | None:
        """The raw public key, or None when this ring does not trust it."""
        return self._keys.get(key)
