"""Hands: who wrote something in a cluster, as its API server recorded it. Named by drifts and by evidence."""

from __future__ import annotations

from estate.records import Model, Time


class Hand(Model):
    """Who wrote a field and when, as the API server recorded it. A manager's name is its client's to choose: it is a
    trace, no proof.
    """

    manager: str
    operation: str = ""
    subresource: str = ""
    at: Time | None = None

    def __str__(self) -> str:
        through = f" through `{self.subresource}`" if self.subresource else ""
        when = f" at {self.at:%Y-%m-%dT%H:%M:%SZ}" if self.at else ""
        return f"`{self.manager}`{through}{when}"
