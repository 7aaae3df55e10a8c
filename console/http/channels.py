"""Who may post where: a bearer token per channel, compared in constant time, never kept in the clear."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from console.config import Channel, Format

_NOBODY = "0" * 64


class Channels:
    """The channels of this installation by id."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._channels = {str(c.id): c for c in channels}

    def authenticate(self, channel: str, authorization: str | None) -> Channel | None:
        """The channel whose token `Authorization: Bearer …` carries; None when unknown or wrong, which look alike."""
        scheme, _, token = (authorization or "").partition(" ")
        known = self._channels.get(channel)
        expected = known.token_sha256 if known else None
        fits = hmac.compare_digest(token_digest(token.strip()), expected or _NOBODY)
        return known if fits and known is not None and scheme.lower() == "bearer" else None


def token_digest(token: str) -> str:
    """What `placet.yaml` holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def takes(channel: Channel, format: Format) -> bool:
    """Whether the channel was given that format."""
    return format in channel.formats
