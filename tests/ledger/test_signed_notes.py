"""C2SP signed notes: checked against the examples that the specifications print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import BadInput, Denied
from policies.ledger.merkle import Head
from policies.ledger.notes import Checkpoint, Notary, open_checkpoint
from policies.ledger.verifier_keys import VerifierKey, ledger_key
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, TestEntropy
from tests.ledger.conftest import SIGNER

SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
"""The public key of Go's checksum database, as every Go toolchain carries it."""

NOTARY = Notary(INSTALLATION, SIGNER)
KEY = ledger_key(INSTALLATION, SIGNER.public_key)
CHECKPOINT = Checkpoint("placet/test/install", Head(7, bytes(range(32))))
NOTE = NOTARY.sign(CHECKPOINT)


def test_a_key_that_the_world_uses_reads_and_writes_the_same() -> None:
    """The key id is computed, so this fails if ours is another hash than everybody else's."""
    key = VerifierKey.parse(SUMDB)
    assert key.name == "sum.golang.org"
    assert str(key) == SUMDB


def test_a_checkpoint_is_the_text_that_the_standard_says() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == ["placet/test/install", "7", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert lines[4].startswith("\u2014 placet-ledger/test ")
    assert lines[5:] == [""]


def test_a_signed_checkpoint_opens_under_its_key_only() -> None:
    assert open_checkpoint(NOTE, [KEY]) == (CHECKPOINT, (KEY,))
    stranger = MemorySigner.generate(TestEntropy("stranger")).public_key
    for other in (ledger_key(INSTALLATION, stranger), VerifierKey("placet-ledger/other", SIGNER.public_key)):
        with pytest.raises(Denied, match="nobody trusted"):
            open_checkpoint(NOTE, [other])


def test_a_witness_may_sign_beside_the_ledger() -> None:
    stranger = Notary(INSTALLATION, MemorySigner.generate(TestEntropy("witness")))
    both = NOTE + stranger.sign(CHECKPOINT).rpartition("\n\n")[2]
    assert open_checkpoint(both, [KEY])[1] == (KEY,)
    assert open_checkpoint(both, [KEY, stranger.key])[1] == (KEY, stranger.key)


def test_one_false_signature_of_a_trusted_key_spoils_the_note() -> None:
    other = NOTARY.sign(Checkpoint("placet/test/install", Head(8, bytes(32)))).rpartition("\n\n")[2]
    with pytest.raises(Denied, match="does not fit"):
        open_checkpoint(NOTE + other, [KEY])


@given(st.data())
def test_no_byte_of_a_note_can_change(data: st.DataObject) -> None:
    """Not even the unused bits at the end of its base64."""
    note = bytearray(NOTE.encode())
    at, bit = data.draw(st.integers(0, len(note) - 1)), data.draw(st.integers(0, 7))
    note[at] ^= 1 << bit
    with pytest.raises(Denied):
        open_checkpoint(note.decode(errors="replace"), [KEY])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "sum.golang.org",
        SUMDB.replace("033de0ae", "033de0af"),
        SUMDB[:-1] + "9",
        SUMDB[:-4],
        f" +{SUMDB}",
    ],
)
def test_an_altered_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"copy the whole line|altered"):
        VerifierKey.parse(text)


def test_a_fingerprint_is_the_hash_of_the_raw_key() -> None:
    assert KEY.fingerprint.startswith("SHA256:")
    assert len(KEY.fingerprint) == len("SHA256:") + 64
