"""Public keys under a name, as `*.vkey` files hold them: of ledgers, of witnesses, and their post-quantum kin.

The type byte says what a key may do: a ledger's key signs notes (0x01), a witness's cosigns checkpoints with a time
(0x04 Ed25519, 0x06 ML-DSA-44). A key of one type never counts as another's.

https://c2sp.org/signed-note#verifier-keys and https://c2sp.org/tlog-cosignature
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from estate.errors import BadInput, Denied
from estate.ids import InstallationId


class Scheme(IntEnum):
    """The type byte of a key: what is signed, and how."""

    NOTE = 0x01
    """Ed25519 over a note's text."""
    COSIGNATURE = 0x04
    """Ed25519 over a checkpoint with the time at which a witness saw it."""
    COSIGNATURE_MLDSA44 = 0x06
    """ML-DSA-44 over the same facts, in a binary form."""


_KEY_BYTES = {Scheme.NOTE: 32, Scheme.COSIGNATURE: 32, Scheme.COSIGNATURE_MLDSA44: 1312}
LEDGER = "placet-ledger/"
_UNTIL = " until "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name."""

    name: str
    public_key: bytes
    scheme: Scheme = Scheme.NOTE
    until: int | None = None
    """Of a ledger's key that was replaced: the size of the install log up to which it signed."""

    @property
    def key_id(self) -> bytes:
        """Four bytes: SHA-256(name ‖ LF ‖ type ‖ public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the raw public key, for people to compare over another channel."""
        return f"SHA256:{hashlib.sha256(self.public_key).hexdigest()}"

    @property
    def is_witness(self) -> bool:
        """Whether it says when a checkpoint was seen, and not that the log is its owner's."""
        return self.scheme is not Scheme.NOTE

    def __str__(self) -> str:
        retired = "" if self.until is None else f"{_UNTIL}{self.until}"
        return f"{self.name}+{self.key_id.hex()}+{encode(self._typed)}{retired}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key written as `<name>+<key id>+<base64>`, and ` until <size>` after one that was replaced.

        Raises:
            BadInput: malformed, of a type that placet does not know, or its key id is another key's.
        """
        line, _, size = text.strip().partition(_UNTIL)
        if size and not (size.isascii() and size.isdecimal() and len(size) < 20):
            raise BadInput(f"verifier key was replaced at `{size[:20]}`, no size of a log; copy the line")
        name, _, rest = line.partition("+")
        stated, _, encoded = rest.partition("+")
        try:
            data = decode(encoded)
        except ValueError as error:
            raise BadInput("verifier key is not `<name>+<key id>+<base64>`; copy the whole line") from error
        if not fit_name(name) or not data or data[0] not in set(Scheme):
            raise BadInput("verifier key is no key of a signed note that placet knows; copy the whole line")
        key = cls(name, data[1:], Scheme(data[0]), int(size) if size else None)
        if len(key.public_key) != _KEY_BYTES[key.scheme]:
            raise BadInput(f"verifier key has {len(key.public_key)} bytes; copy the whole line")
        if key.key_id.hex() != stated:
            raise BadInput(f"verifier key id `{stated}` does not fit its key; the line was altered")
        return key

    @classmethod
    def parse_all(cls, text: str) -> tuple[VerifierKey, ...]:
        """The keys of a `.vkey` file, one a line; a ledger's file names those that were replaced too."""
        return tuple(cls.parse(line) for line in text.splitlines() if line.strip())

    def signs_at(self, size: int) -> bool:
        """Whether it was in force when the install log had that size."""
        return self.until is None or size <= self.until

    def check(self, signature: bytes, message: bytes) -> None:
        """Raises Denied: this key did not sign `message`."""
        try:
            if self.scheme is Scheme.COSIGNATURE_MLDSA44:
                MLDSA44PublicKey.from_public_bytes(self.public_key).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature as error:
            raise Denied(f"signature of `{self.name}` does not fit the checkpoint; it was altered") from error

    @property
    def _typed(self) -> bytes:
        return bytes([self.scheme]) + self.public_key


def ledger_name(installation: InstallationId) -> str:
    """Under which an installation's ledger signs."""
    return f"{LEDGER}{installation}"


def ledger_prefix(key: VerifierKey) -> str:
    """How the origins of all logs begin that this ledger's key signs for."""
    return f"placet/{key.name.removeprefix(LEDGER)}/"


def ledger_key(installation: InstallationId, public_key: bytes) -> VerifierKey:
    """The verifier key of an installation's ledger."""
    return VerifierKey(ledger_name(installation), public_key)


def fit_name(name: str) -> bool:
    """Whether a key may have that name."""
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def encode(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Strict base64: one spelling only (`binascii.Error` is a `ValueError`)."""
    data = base64.b64decode(text, validate=True)
    if encode(data) != text:
        raise binascii.Error("not the one base64 spelling of these bytes")
    return data
