"""With what a ledger is opened by whoever may export it: the key that signs its checkpoints, and its witnesses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from estate.errors import BadInput
from estate.ids import InstallationId
from policies.ledger.notes import Notary
from policies.ledger.witnesses import Witness, Witnesses
from policies.signing.port import Signer


@dataclass(frozen=True, slots=True)
class Signing:
    """Nothing at all for those who only append."""

    notary: Notary | None = None
    witnesses: Witnesses = field(default_factory=Witnesses)

    @classmethod
    def of(cls, installation: InstallationId, signer: Signer, *witnesses: Witness) -> Self:
        """With the ledger's one key, and these witnesses."""
        return cls(Notary(installation, signer), Witnesses(witnesses))

    def needed(self) -> Notary:
        """Who signs. Raises BadInput: the ledger was opened without its key."""
        if self.notary is None:
            raise BadInput("the ledger was opened without the ledger key; open it with the key that `placet init` made")
        return self.notary


NOTHING = Signing()
"""For who appends and reads only."""
