"""Whose word counts for a ledger's checkpoints: its own keys in their time, its second key, and the witnesses given.

Pure. Nothing inside a file adds to these keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from estate.ids import InstallationId
from policies.ledger.verifier_keys import VerifierKey, ledger_name


@dataclass(frozen=True, slots=True)
class Signatories:
    """The keys that were given for one installation."""

    ledger: tuple[VerifierKey, ...]
    second: tuple[VerifierKey, ...]
    """Keys under the ledger's name that must have signed its newest checkpoint as well (ML-DSA-44)."""
    witnesses: tuple[VerifierKey, ...]

    @classmethod
    def of(cls, installation: InstallationId, given: Iterable[VerifierKey]) -> Self:
        """Those of `given` that concern this installation: a witness may watch many."""
        own = [key for key in given if key.is_witness or key.name == ledger_name(installation)]
        return cls(
            ledger=tuple(k for k in own if not k.is_witness),
            second=tuple(k for k in own if k.is_witness and k.name == ledger_name(installation)),
            witnesses=tuple(k for k in own if k.is_witness and k.name != ledger_name(installation)),
        )

    @property
    def all(self) -> tuple[VerifierKey, ...]:
        """All of them."""
        return (*self.ledger, *self.second, *self.witnesses)

    def fault(self, size: int, signers: tuple[VerifierKey, ...], *, install: bool, newest: bool) -> str | None:
        """Why these signers do not carry a checkpoint, or None. `size` is the install log's.

        A tenant's older checkpoints say nothing of the install log's size; the newest one, which the key in force
        signed, binds them.
        """
        if (install or newest) and not any(k.signs_at(size) for k in signers if not k.is_witness):
            return "its key was replaced before it; whoever holds the old key signed it"
        missing = (*self.second, *(self.witnesses if install else ())) if newest else ()
        unsigned = next((k for k in missing if k not in signers), None)
        if unsigned is None:
            return None
        if unsigned in self.second:
            return f"it lacks the second signature of `{unsigned.name}`, whose key was given"
        return f"witness `{unsigned.name}` has not cosigned it; ask the witness which history it saw"
