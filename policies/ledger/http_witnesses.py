"""A witness reached over HTTP by the C2SP witness protocol: Placet's own (`placet witness`) or anybody's.

https://c2sp.org/tlog-witness
"""

from __future__ import annotations

import httpx

from estate.errors import Denied, RetryLater
from policies.ledger import notes
from policies.ledger.verifier_keys import VerifierKey, encode
from policies.ledger.witnesses import Shown

SECONDS = 5.0
_LONGEST_ANSWER = 64 * 1024


class HttpWitness:
    """One witness by its address and its public key."""

    def __init__(self, url: str, key: VerifierKey, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._key = key
        self._transport = transport
        self._seen = 0
        """The size that it cosigned last, as far as we know."""

    @property
    def name(self) -> str:
        """The name that it signs under."""
        return self._key.name

    async def show(self, shown: Shown) -> str:
        """See the port."""
        answer = await self._post(shown, min(self._seen, shown.checkpoint.head.size))
        if answer.status_code == 409:
            answer = await self._post(shown, self._newest(answer, shown))
        if answer.status_code != 200:
            raise Denied(f"`{self.name}` refused ({answer.status_code}): {answer.text[:200].strip()}")
        lines = notes.cosigned(shown.note, answer.text[:_LONGEST_ANSWER], self._key)
        self._seen = shown.checkpoint.head.size
        return lines

    def _newest(self, answer: httpx.Response, shown: Shown) -> int:
        """The size that it says it has. Raises Denied: we are behind it, and it would never follow us back."""
        size, text = shown.checkpoint.head.size, answer.text.strip()
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise Denied(f"`{self.name}` answers a conflict without a size; check its address")
        if int(text) > size or int(text) == self._seen == size:
            raise Denied(f"`{self.name}` has cosigned another log of {int(text)} entries, not this of {size}")
        return int(text)

    async def _post(self, shown: Shown, old: int) -> httpx.Response:
        size = shown.checkpoint.head.size
        proof = await shown.prove(old) if 0 < old < size else ()
        body = f"old {old}\n" + "".join(f"{encode(h)}\n" for h in proof) + f"\n{shown.note}"
        try:
            async with httpx.AsyncClient(timeout=SECONDS, transport=self._transport, trust_env=False) as client:
                return await client.post(self._url, content=body.encode())
        except httpx.HTTPError as error:
            raise RetryLater(f"`{self.name}` does not answer: {str(error) or type(error).__name__}") from error
