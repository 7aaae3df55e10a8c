"""What a witness signs: that at a time it knew a checkpoint, as the largest one consistent with all it saw before.

Pure bytes, for both types of key; `policies.ledger.notes` writes and checks the lines.

https://c2sp.org/tlog-cosignature
"""

from __future__ import annotations

import struct

from estate.errors import Denied
from policies.ledger.merkle import Head
from policies.ledger.verifier_keys import Scheme, VerifierKey, encode

_TIME = struct.Struct(">Q")
_LABEL = b"subtree/v1\n\0"
_SIGNATURE_BYTES = {Scheme.COSIGNATURE: 64, Scheme.COSIGNATURE_MLDSA44: 2420}
LATEST = 2**63 - 1


def message(key: VerifierKey, origin: str, head: Head, time: int) -> bytes:
    """The bytes that `key` signs of a log's head at `time`, in seconds since the epoch."""
    if key.scheme is Scheme.COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{origin}\n{head.size}\n{encode(head.root)}\n".encode()
    span = struct.pack(">QQ", 0, head.size)
    return b"".join((_LABEL, _short(key.name), _TIME.pack(time), _short(origin), span, head.root))


def packed(time: int, signature: bytes) -> bytes:
    """A `timestamped_signature`."""
    return _TIME.pack(time) + signature


def unpacked(data: bytes, key: VerifierKey) -> tuple[int, bytes]:
    """Time and signature. Raises Denied: neither fits."""
    if len(data) != _TIME.size + _SIGNATURE_BYTES[key.scheme]:
        raise Denied(f"cosignature of `{key.name}` has {len(data)} bytes; it was cut or altered")
    (time,) = _TIME.unpack_from(data)
    if time > LATEST:
        raise Denied(f"cosignature of `{key.name}` names a time that cannot be")
    return time, data[_TIME.size :]


def _short(text: str) -> bytes:
    """A vector of at most 255 bytes with its length before it (RFC 8446, section 3.4)."""
    data = text.encode()
    if not 0 < len(data) < 256:
        raise Denied(f"`{text[:40]}` is no name that can be cosigned; at most 255 bytes fit")
    return bytes([len(data)]) + data
