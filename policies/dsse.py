"""DSSE v1 envelopes, opened. Gate, executor, inventory and console verify with this; it cannot sign.

An envelope counts only when a key of the ring signed it in every algorithm that the ring holds keys of, and no key of
the ring is misquoted in it.
Signatures by keys outside the ring are ignored. Refused with `Denied`: another payload type, anything that is not
strict JSON of exactly the DSSE fields, and base64 that has a second spelling.

https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pydantic import Field, ValidationError

from estate import canonical
from estate.errors import BadInput, Denied
from estate.ids import KeyId
from estate.records import Model, explain
from policies.keyrings import KeyRing, algorithms_of, is_signed

MOST_SIGNATURES = 16


class UnknownSigner(Denied):
    """Whoever signed it is nobody that is trusted; somebody may have been enrolled a moment ago."""


class Signature(Model):
    """One signature of an envelope, in standard base64."""

    keyid: KeyId
    sig: str


class Envelope(Model):
    """The DSSE wire form; the field names are the standard's."""

    payload: str
    payloadType: str
    signatures: tuple[Signature, ...] = Field(min_length=1, max_length=MOST_SIGNATURES)


@dataclass(frozen=True, slots=True)
class Opened:
    """A verified payload and the trusted keys that signed it, each once, in the envelope's order."""

    payload: bytes
    key_ids: tuple[KeyId, ...]


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed (PAE), which bind the payload to its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def open_envelope(data: bytes, payload_type: str, ring: KeyRing) -> Opened:
    """The payload of `data`, if somebody in `ring` signed it as `payload_type`.

    Raises:
        UnknownSigner: signed by nobody in the ring.
        Denied: malformed, of another type, or wrongly signed.
    """
    envelope = _parse(data)
    if envelope.payloadType != payload_type:
        raise Denied(f"envelope holds `{envelope.payloadType}`, expected `{payload_type}`")
    payload = _decode(envelope.payload, "payload")
    signed = pre_authentication(payload_type, payload)
    valid = [s.keyid for s in envelope.signatures if _counts(s, signed, ring)]
    if not valid:
        quoted = ", ".join(sorted({s.keyid for s in envelope.signatures}))
        raise UnknownSigner(
            f"envelope is signed by nobody trusted here (`{quoted}`); enrol the key or sign with another"
        )
    if missing := ring.algorithms - algorithms_of(valid):
        named = ", ".join(sorted(m.value for m in missing))
        raise Denied(f"envelope lacks its signature by `{named}`, which is demanded here; sign it with both keys")
    return Opened(payload, tuple(dict.fromkeys(valid)))


def stated_type(data: bytes) -> str:
    """What `data` says it holds, unverified: only good for choosing how to open it. Raises Denied: no envelope."""
    return _parse(data).payloadType


def stated_payload(data: bytes) -> bytes:
    """The payload of `data`, UNVERIFIED: only good for finding the key that must then open it. Raises Denied."""
    return _decode(_parse(data).payload, "payload")


def _parse(data: bytes) -> Envelope:
    try:
        return Envelope.model_validate(canonical.loads(data))
    except BadInput as error:
        raise Denied(f"envelope is {error}") from error
    except ValidationError as error:
        raise Denied(f"not a dsse envelope: {explain(error)}") from error


def _counts(signature: Signature, signed: bytes, ring: KeyRing) -> bool:
    key = ring.public_key(signature.keyid)
    if key is None:
        return False
    if not is_signed(signature.keyid, key, _decode(signature.sig, "sig"), signed):
        raise Denied(f"signature of `{signature.keyid}` does not fit the payload; it was altered or mis-signed")
    return True


def _decode(text: str, field: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Denied(f"envelope field `{field}` is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Denied(f"envelope field `{field}` is not the one base64 spelling of its bytes")
    return data
