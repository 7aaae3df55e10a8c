"""Seals payloads into DSSE v1 envelopes. Called by whoever holds a key: gate, console, a person's CLI; opened by
`policies.dsse`.
"""

from __future__ import annotations

import base64

from estate import canonical
from policies import dsse
from policies.signing.port import Signer


def seal(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """`payload` under `signer`'s signature, as a canonical JSON envelope."""
    signature = signer.sign(dsse.pre_authentication(payload_type, payload))
    return canonical.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": signer.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )
