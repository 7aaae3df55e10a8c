"""Seals payloads into DSSE v1 envelopes. Called by whoever holds a key: gate, console, a person's CLI; opened by
`policies.dsse`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Final

from estate import canonical
from estate.errors import RetryLater
from policies import dsse
from policies.signing.port import Signer

SIGNS_WITHIN_SECONDS: Final = 5.0
"""How long a key service may take."""


async def seal_soon(payload: bytes, payload_type: str, *signers: Signer, within: float = SIGNS_WITHIN_SECONDS) -> bytes:
    """As `seal`, and nobody else waits for a signer that is far away. Raises as `soon`."""
    return await soon(lambda: seal(payload, payload_type, *signers), *signers, within=within)


async def soon[T](sign: Callable[[], T], *signers: Signer, within: float = SIGNS_WITHIN_SECONDS) -> T:
    """What `sign` makes with these; where one of them is far away, in a thread.

    Raises:
        RetryLater: it did not sign within that time. What it signs later is dropped.
    """
    if not any(s.remote for s in signers):
        return sign()
    try:
        async with asyncio.timeout(within):
            return await asyncio.to_thread(sign)
    except TimeoutError as error:
        raise RetryLater(f"the key service did not sign within {within:g} s; is it up?") from error


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
