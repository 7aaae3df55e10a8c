"""`placet rotate facts`: the facts signed anew with a new key, on the word of the installation's first administrator.

Everything may run meanwhile: the new file carries the word with it, so that whoever verifies facts, with or without a
ledger, takes the new key from then on and the old one never again. The gate writes which key the facts in force are
signed with. Interrupted, the same command goes on where it was.
"""

from __future__ import annotations

from datetime import datetime

from console.identities import Identity
from console.installations import Installation
from console.state import write_private
from estate.errors import BadInput
from estate.ids import KeyId
from policies import signed_facts
from policies.signed_facts import SUCCESSION_TYPE, Succession
from policies.signing.facts import seal_facts
from policies.signing.files import FileSigner
from policies.signing.sealing import seal


def succeed(installation: Installation, owner: Identity, now: datetime) -> KeyId:
    """Sign the facts with a new key; its name.

    Raises:
        BadInput: this is one role's directory, or somebody else than the first administrator speaks.
        Denied: the facts on disk do not verify.
    """
    state, record = installation.state, installation.record
    if installation.role is not None:
        raise BadInput(f"`{state.root}` holds one role only; rotate where `init` was run")
    if owner.signer.key_id != record.administrator_key:
        raise BadInput(
            f"`{owner.subject.name}` speaks with `{owner.signer.key_id}`; the facts' key is replaced on the word of "
            f"`{record.administrator_key}` alone, which every process knows; use `--as` with that identity"
        )
    facts, envelope = installation.facts(), installation.facts_envelope()
    path, following = state.key_path("facts"), state.next_key_path("facts")
    old = FileSigner.load(path)
    new = FileSigner.load(following) if following.exists() else FileSigner.create(following)
    words = signed_facts.successions_of(envelope)
    if not words or words[-1].new != new.key_id:
        word = Succession.of(record.id, old.key_id, new.public_key, now)
        sealed = seal(word.canonical(), SUCCESSION_TYPE, owner.signer)
        carried = signed_facts.carrying(seal_facts(facts, new), (*signed_facts.carried_by(envelope), sealed))
        write_private(installation.config.facts or state.facts_path, carried)
    following.replace(path)
    return new.key_id
