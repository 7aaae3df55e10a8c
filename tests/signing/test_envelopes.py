"""DSSE envelopes: what one key seals, a ring opens, and nothing else opens."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import Denied
from policies.dsse import open_envelope, pre_authentication
from policies.keyrings import StaticRing
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal

TYPE = "application/vnd.placet.test.v1+json"
SIGNER = MemorySigner.generate(secrets.token_bytes)
STRANGER = MemorySigner.generate(secrets.token_bytes)
RING = StaticRing.of(SIGNER.public_key)


def altered(data: bytes, **over: Any) -> bytes:
    return json.dumps(json.loads(data) | over).encode()


def test_the_signed_bytes_are_those_of_the_standard() -> None:
    """The example of the DSSE specification; another reading of PAE would verify nowhere else."""
    wanted = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == wanted


@given(st.binary(max_size=300))
def test_what_is_sealed_opens(payload: bytes) -> None:
    opened = open_envelope(seal(payload, TYPE, SIGNER), TYPE, RING)
    assert opened.payload == payload
    assert opened.key_ids == (SIGNER.key_id,)


@given(st.binary(max_size=40), st.data())
def test_no_byte_of_an_envelope_can_change(payload: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(payload, TYPE, SIGNER))
    at, bit = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(0, 7))
    sealed[at] ^= 1 << bit
    with pytest.raises(Denied):
        open_envelope(bytes(sealed), TYPE, RING)


def test_an_envelope_of_another_type_is_refused() -> None:
    """A signed freeze must never pass for a signed warrant."""
    with pytest.raises(Denied, match="expected `other`"):
        open_envelope(seal(b"{}", TYPE, SIGNER), "other", RING)
    with pytest.raises(Denied, match="does not fit"):
        open_envelope(altered(seal(b"{}", TYPE, SIGNER), payloadType="other"), "other", RING)


def test_unknown_keys_are_ignored_beside_a_known_one_and_refused_alone() -> None:
    ours, theirs = (json.loads(seal(b"{}", TYPE, s))["signatures"] for s in (SIGNER, STRANGER))
    both = altered(seal(b"{}", TYPE, SIGNER), signatures=theirs + ours + ours)
    assert open_envelope(both, TYPE, RING).key_ids == (SIGNER.key_id,)
    with pytest.raises(Denied, match=f"nobody trusted here .`{STRANGER.key_id}`."):
        open_envelope(seal(b"{}", TYPE, STRANGER), TYPE, RING)


def test_a_stranger_cannot_sign_under_a_known_name() -> None:
    forged = {"keyid": SIGNER.key_id, "sig": json.loads(seal(b"{}", TYPE, STRANGER))["signatures"][0]["sig"]}
    with pytest.raises(Denied, match="altered or mis-signed"):
        open_envelope(altered(seal(b"{}", TYPE, SIGNER), signatures=[forged]), TYPE, RING)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"payload":"","payload":"","payloadType":"t","signatures":[]}',
        altered(seal(b"{}", TYPE, SIGNER), signatures=[]),
        altered(seal(b"{}", TYPE, SIGNER), extra=1),
        altered(seal(b"{}", TYPE, SIGNER), payload="e30"),
        altered(seal(b"{}", TYPE, SIGNER), payload="e31="),
        altered(seal(b"{}", TYPE, SIGNER), payload="e30=\n"),
        altered(seal(b"{}", TYPE, SIGNER), payload=base64.b64encode(b"[]").decode()),
    ],
    # The key is drawn anew in each process: a name made of it would differ between the workers of one run.
    ids=(
        "nothing",
        "no text",
        "a list",
        "no fields",
        "a field twice",
        "no signature",
        "a field too many",
        "no padding",
        "loose bits",
        "a line break",
        "another payload",
    ),
)
def test_malformed_envelopes_are_denied_not_crashed_on(data: bytes) -> None:
    with pytest.raises(Denied):
        open_envelope(data, TYPE, RING)
