"""Seals payloads into DSSE v1 envelopes. Called by whoever holds a key: gate, console, a person's CLI; opened by
`policies.dsse`.
"""

from __future__ import annotations

import base64

from estate import canonical
from policies import dsse
from policies.signing.port import Signer


def seal(payload: bytes, payload_type: str, *signers: Signer) -> bytes:
    """`payload` under each signer's signature, as a canonical JSON envelope."""
    signed = dsse.pre_authentication(payload_type, payload)
    return canonical.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": signer.key_id, "sig": base64.b64encode(signer.sign(signed)).decode()} for signer in signers
            ],
        }
    )
