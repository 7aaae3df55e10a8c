"""C2SP signed notes and the checkpoints of a log: what an outsider needs to hold the ledger to its word.

One Ed25519 key, named `placet-ledger/<installation>`, signs the checkpoints of all logs of an installation; the
origin line tells them apart. Refused: notes with a second spelling of a signature, and every note in which a trusted
key's signature fails, even beside a good one.

https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from estate.errors import BadInput, Denied
from estate.ids import InstallationId
from policies.keyrings import KEY_BYTES
from policies.ledger.merkle import HASH_BYTES, Head
from policies.signing.port import Signer

ED25519 = b"\x01"
_DASH = "\u2014 "
_MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name, as a `*.vkey` file holds it."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes: SHA-256(name ‖ LF ‖ 0x01 ‖ public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the raw public key, for people to compare over another channel."""
        return f"SHA256:{hashlib.sha256(self.public_key).hexdigest()}"

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_encode(ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key written as `<name>+<key id>+<base64>`.

        Raises:
            BadInput: malformed, not Ed25519, or its key id is another key's.
        """
        name, _, rest = text.strip().partition("+")
        stated, _, encoded = rest.partition("+")
        try:
            data = _decode(encoded)
        except ValueError as error:
            raise BadInput("verifier key is not `<name>+<key id>+<base64>`; copy the whole line") from error
        if not _fit_name(name) or len(data) != 1 + KEY_BYTES or not data.startswith(ED25519):
            raise BadInput("verifier key is not an ed25519 key of a signed note; copy the whole line")
        key = cls(name, data[1:])
        if key.key_id.hex() != stated:
            raise BadInput(f"verifier key id `{stated}` does not fit its key; the line was altered")
        return key


def ledger_key(installation: InstallationId, public_key: bytes) -> VerifierKey:
    """The verifier key of an installation's ledger."""
    return VerifierKey(f"placet-ledger/{installation}", public_key)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log under its name."""

    origin: str
    head: Head

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.head.size}\n{_encode(self.head.root)}\n"


class Notary:
    """Signs the checkpoints of an installation's logs with its ledger key."""

    __slots__ = ("_signer", "key")

    def __init__(self, installation: InstallationId, signer: Signer) -> None:
        self._signer = signer
        self.key = ledger_key(installation, signer.public_key)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of `checkpoint`. The same one each time: Ed25519 draws no randomness."""
        text = checkpoint.text()
        signature = _encode(self.key.key_id + self._signer.sign(text.encode()))
        return f"{text}\n{_DASH}{self.key.name} {signature}\n"


def open_checkpoint(note: str, trusted: Iterable[VerifierKey]) -> tuple[Checkpoint, tuple[VerifierKey, ...]]:
    """The checkpoint in `note` and the trusted keys that signed it.

    Raises:
        Denied: malformed, or not signed by a trusted key.
    """
    text, found = _take_apart(note)
    known = {(key.name, key.key_id): key for key in trusted}
    valid = [known[(n, s[:4])] for n, s in found if (n, s[:4]) in known and _holds(known[(n, s[:4])], text, s[4:])]
    if not valid:
        names = ", ".join(sorted(f"{n}+{s[:4].hex()}" for n, s in found))
        raise Denied(f"checkpoint is signed by nobody trusted (`{names}`); give the ledger's own `.vkey`")
    return _read(text), tuple(dict.fromkeys(valid))


def _take_apart(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or lines.pop() != "" or not 0 < len(lines) <= _MOST_SIGNATURES:
        raise Denied("not a signed note: text, an empty line and signature lines are expected")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = _decode(encoded)
    except ValueError as error:
        raise Denied("not a signed note: a signature is not base64") from error
    if not line.startswith(_DASH) or not space or not _fit_name(name) or len(data) < 5:
        raise Denied("not a signed note: a signature line is malformed")
    return name, data


def _holds(key: VerifierKey, text: str, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except InvalidSignature as error:
        raise Denied(f"signature of `{key.name}` does not fit the checkpoint; it was altered") from error
    return True


def _read(text: str) -> Checkpoint:
    lines = text.split("\n")
    try:
        origin, size, root = lines[:3]
        checkpoint = Checkpoint(origin, Head(int(size), _decode(root)))
    except ValueError as error:
        raise Denied("not a checkpoint: origin, size and root are expected") from error
    if not origin or checkpoint.text() != text or len(checkpoint.head.root) != HASH_BYTES or checkpoint.head.size < 0:
        raise Denied("not a checkpoint: origin, size and root are expected, and nothing else")
    return checkpoint


def _fit_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    """Strict base64: one spelling only (`binascii.Error` is a `ValueError`)."""
    data = base64.b64decode(text, validate=True)
    if _encode(data) != text:
        raise binascii.Error("not the one base64 spelling of these bytes")
    return data
