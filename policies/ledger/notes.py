"""C2SP signed notes and the checkpoints of a log: what an outsider needs to hold the ledger to its word.

One Ed25519 key, named `placet-ledger/<installation>`, signs the checkpoints of all logs of an installation; the
origin line tells them apart. Witnesses sign beside it (`policies.ledger.cosignatures`). Refused: notes with a second
spelling of a signature, and every note in which a trusted key's signature fails, even beside a good one.

https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from estate.clocks import Clock
from estate.errors import Denied
from estate.ids import InstallationId
from policies.keyrings import KEY_BYTES
from policies.ledger import cosignatures
from policies.ledger.merkle import HASH_BYTES, Head
from policies.ledger.verifier_keys import Scheme, VerifierKey, decode, encode, fit_name, ledger_key, ledger_name
from policies.signing.port import Signer

_DASH = "\u2014 "
_MOST_SIGNATURES = 32


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log under its name."""

    origin: str
    head: Head

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.head.size}\n{encode(self.head.root)}\n"


class Notary:
    """Signs the checkpoints of an installation's logs with its ledger key and, where one is given, a second one that a
    quantum computer cannot forge; `clock` dates that one.
    """

    __slots__ = ("_clock", "_second", "_signer", "key", "second_key")

    def __init__(
        self, installation: InstallationId, signer: Signer, second: Signer | None = None, clock: Clock | None = None
    ) -> None:
        self._signer, self._second, self._clock = signer, second, clock
        self.key = ledger_key(installation, signer.public_key)
        self.second_key: VerifierKey | None = None
        if second is not None:
            assert clock is not None, "a second signature is dated"
            self.second_key = VerifierKey(ledger_name(installation), second.public_key, Scheme.COSIGNATURE_MLDSA44)

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Its keys."""
        return (self._signer,) if self._second is None else (self._signer, self._second)

    def succeed(self, signer: Signer) -> None:
        """Sign with this key from now on, in the place of the one of its kind."""
        if len(signer.public_key) == KEY_BYTES:
            self._signer, self.key = signer, VerifierKey(self.key.name, signer.public_key)
        else:
            self._second = signer
            self.second_key = VerifierKey(self.key.name, signer.public_key, Scheme.COSIGNATURE_MLDSA44)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """The keys that sign, for whoever shall verify."""
        return (self.key,) if self.second_key is None else (self.key, self.second_key)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of `checkpoint`."""
        text = checkpoint.text()
        note = f"{text}\n{signature_line(self.key, self._signer.sign(text.encode()))}"
        if self._second is None or self.second_key is None or self._clock is None:
            return note
        return note + cosignature(self.second_key, self._second, checkpoint, int(self._clock().timestamp()))


class Opened(NamedTuple):
    """What a note says and the trusted keys that signed it, each once."""

    checkpoint: Checkpoint
    signers: tuple[VerifierKey, ...]


def open_checkpoint(note: str, trusted: Iterable[VerifierKey]) -> Opened:
    """The checkpoint in `note` and the trusted keys that signed it, a ledger's among them.

    Raises:
        Denied: malformed, or not signed by a trusted ledger's key.
    """
    text, found = _take_apart(note)
    checkpoint = _read(text)
    known = {(key.name, key.key_id): key for key in trusted}
    signed = [(key, s[4:]) for n, s in found if (key := known.get((n, s[:4]))) is not None]
    for key, signature in signed:
        _check(key, checkpoint, signature)
    signers = tuple(dict.fromkeys(key for key, _ in signed))
    if all(key.is_witness for key in signers):
        names = ", ".join(sorted(f"{n}+{s[:4].hex()}" for n, s in found))
        raise Denied(f"checkpoint is signed by nobody trusted (`{names}`); give the ledger's own `.vkey`")
    return Opened(checkpoint, signers)


def read_checkpoint(note: str) -> Checkpoint:
    """What a note says, UNVERIFIED: only good for finding the keys that must then open it. Raises Denied."""
    return _read(_take_apart(note)[0])


def cosignature(key: VerifierKey, signer: Signer, checkpoint: Checkpoint, time: int) -> str:
    """The line in which a witness says that at `time`, in seconds since the epoch, this was the largest it had seen."""
    message = cosignatures.message(key, checkpoint.origin, checkpoint.head, time)
    return signature_line(key, cosignatures.packed(time, signer.sign(message)))


def signature_line(key: VerifierKey, signature: bytes) -> str:
    """A signature as it stands in a note."""
    return f"{_DASH}{key.name} {encode(key.key_id + signature)}\n"


def with_lines(note: str, lines: Sequence[str]) -> str:
    """The note with signature lines that it does not hold yet."""
    return note + "".join(line for line in dict.fromkeys(lines) if line not in note)


def cosigned(note: str, lines: str, witness: VerifierKey) -> str:
    """The lines by `witness` among those that it answered with; anybody else's are left out.

    Raises:
        Denied: none of them is its own, or one does not fit.
    """
    checkpoint = read_checkpoint(note)
    kept = []
    for line in lines.splitlines(keepends=True):
        name, signature = _signature(line.removesuffix("\n"))
        if (name, signature[:4]) == (witness.name, witness.key_id):
            _check(witness, checkpoint, signature[4:])
            kept.append(line if line.endswith("\n") else f"{line}\n")
    if not kept:
        raise Denied(f"`{witness.name}` answered without a signature of its key; check its `.vkey`")
    return "".join(kept)


def _check(key: VerifierKey, checkpoint: Checkpoint, signature: bytes) -> None:
    if not key.is_witness:
        key.check(signature, checkpoint.text().encode())
        return
    time, signed = cosignatures.unpacked(signature, key)
    key.check(signed, cosignatures.message(key, checkpoint.origin, checkpoint.head, time))


def _take_apart(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or lines.pop() != "" or not 0 < len(lines) <= _MOST_SIGNATURES:
        raise Denied("not a signed note: text, an empty line and signature lines are expected")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = decode(encoded)
    except ValueError as error:
        raise Denied("not a signed note: a signature is not base64") from error
    if not line.startswith(_DASH) or not space or not fit_name(name) or len(data) < 5:
        raise Denied("not a signed note: a signature line is malformed")
    return name, data


def _read(text: str) -> Checkpoint:
    lines = text.split("\n")
    try:
        origin, size, root = lines[:3]
        checkpoint = Checkpoint(origin, Head(int(size), decode(root)))
    except ValueError as error:
        raise Denied("not a checkpoint: origin, size and root are expected") from error
    if not origin or checkpoint.text() != text or len(checkpoint.head.root) != HASH_BYTES or checkpoint.head.size < 0:
        raise Denied("not a checkpoint: origin, size and root are expected, and nothing else")
    return checkpoint
