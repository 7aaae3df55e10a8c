"""`placet rotate facts` and `hand-over`: the facts signed anew with a new key, on their owner's word; another owner.

The owner is the installation's first administrator, until they say that another key follows theirs.

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
from policies.signed_facts import OWNER_TYPE, SUCCESSION_TYPE, OwnerSuccession, Succession
from policies.signing.facts import seal_facts
from policies.signing.files import FileSigner
from policies.signing.sealing import seal


def succeed(installation: Installation, owner: Identity, now: datetime) -> KeyId:
    """Sign the facts with a new key; its name.

    Raises:
        BadInput: this is one role's directory, or somebody else than the owner speaks.
        Denied: the facts on disk do not verify.
    """
    state, record = installation.state, installation.record
    _check_owner(installation, owner)
    facts, envelope = installation.facts(), installation.facts_envelope()
    path, following = state.key_path("facts"), state.next_key_path("facts")
    old = FileSigner.load(path)
    new = FileSigner.load(following) if following.exists() else FileSigner.create(following)
    words = signed_facts.successions_of(envelope)
    if new.key_id not in {w.new for w in words}:
        word = Succession.of(record.id, old.key_id, new.public_key, now)
        sealed = seal(word.canonical(), SUCCESSION_TYPE, owner.signer)
        carried = signed_facts.carrying(seal_facts(facts, new), (*signed_facts.carried_by(envelope), sealed))
        write_private(installation.config.facts or state.facts_path, carried)
    following.replace(path)
    return new.key_id


def hand_over(installation: Installation, owner: Identity, heir: Identity, now: datetime) -> KeyId:
    """Have another key speak for the facts' owner from now on; its name. Interrupted, the same again ends it.

    Raises:
        BadInput: this is one role's directory, or somebody else than the owner speaks.
        Denied: the facts on disk do not verify.
    """
    new, old = heir.signer.key_id, owner.signer.key_id
    if _owner(installation) == new:
        return new
    _check_owner(installation, owner)
    installation.facts()
    envelope = installation.facts_envelope()
    word = OwnerSuccession.of(installation.record.id, old, heir.signer.public_key, now)
    sealed = seal(word.canonical(), OWNER_TYPE, owner.signer)
    carried = signed_facts.carrying(signed_facts.bare(envelope), (*signed_facts.carried_by(envelope), sealed))
    write_private(installation.config.facts or installation.state.facts_path, carried)
    return new


def _owner(installation: Installation) -> KeyId:
    """Whose word replaces the facts' key now."""
    words = signed_facts.successions_of(installation.facts_envelope())
    owners = [w.new for w in words if isinstance(w, OwnerSuccession)]
    return owners[-1] if owners else installation.record.administrator_key


def _check_owner(installation: Installation, speaker: Identity) -> None:
    if installation.role is not None:
        raise BadInput(f"`{installation.state.root}` holds one role only; rotate where `init` was run")
    if speaker.signer.key_id != (owner := _owner(installation)):
        raise BadInput(
            f"`{speaker.subject.name}` speaks with `{speaker.signer.key_id}`; the facts' key is replaced on the word "
            f"of `{owner}` alone, which every process knows; use `--as` with that identity"
        )
