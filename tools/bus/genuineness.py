"""Tells a message that somebody published from one that the server was tricked into copying.

NATS checks the subject that a user publishes on, never the reply subject of a request. Whoever may read a stream can
therefore have the server "answer" into another stream. Measured on 2.15: a direct read is copied with the new subject
and the sender's own headers (so no stream of ours allows direct reads), a push consumer delivers wherever its maker
says (so only the administrator makes consumers), a pull is copied under the subject of its origin, and an API answer
carries no message id. The last two cannot be prevented, and are refused here by every reader of this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MESSAGE_ID = "Nats-Msg-Id"
_COPIED = ("nats-stream", "nats-subject", "nats-sequence")


def forged(subject: str, headers: Mapping[str, str], stored_in: Iterable[str], *, needs_id: bool = True) -> str | None:
    """Why a stored message is not genuine, or None. `headers` are those it was stored with."""
    present = {name.lower() for name in headers}
    if copied := [name for name in _COPIED if name in present]:
        return f"copied by the server from another stream (header `{copied[0]}`)"
    if not any(matches(pattern, subject) for pattern in stored_in):
        return f"its subject `{subject}` does not belong to this stream"
    if needs_id and MESSAGE_ID.lower() not in present:
        return "it carries no message id, so no bus published it"
    return None


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject falls under a NATS pattern (`*` one token, `>` the rest)."""
    wanted, found = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(found) > index
        if index >= len(found) or part not in {"*", found[index]}:
            return False
    return len(wanted) == len(found)
