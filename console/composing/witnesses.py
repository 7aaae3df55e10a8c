"""A witness of others' ledgers: its key, its book and whom it watches. It meets no installation of ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from console.installations import utc_now
from estate.errors import BadInput
from policies.ledger.verifier_keys import VerifierKey, fit_name
from policies.ledger.witnessing import Book, Cosigner, witness_key
from policies.signing.files import FileSigner, MldsaFileSigner


def cosigner(folder: Path, name: str, logs: Iterable[Path], *, post_quantum: bool) -> Cosigner:
    """The witness in that folder, made where it is missing.

    Raises:
        BadInput: the name cannot be a key's, or a ledger's `.vkey` cannot be read.
    """
    if not fit_name(name):
        raise BadInput(f"`{name}` is no name of a key; write it without spaces and `+`")
    watched = tuple(key for path in logs for key in _keys(path))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kind = MldsaFileSigner if post_quantum else FileSigner
    path = folder / "witness.key"
    signer = kind.load(path) if path.exists() else kind.create(path)
    return Cosigner(witness_key(name, signer), signer, watched, Book(folder / "book.sqlite"), utc_now)


def _keys(path: Path) -> tuple[VerifierKey, ...]:
    try:
        return VerifierKey.parse_all(path.read_text())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give the ledger's `.vkey`") from error
