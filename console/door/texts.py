"""What strangers wrote, made fit to stand in an answer and on a terminal: without controls, and in one normal form.

Bodies of dead letters and signals of agents hold whatever their senders liked. Called by the door's server for answers
that would have no canonical form otherwise, and by its client for what it hears.
"""

from __future__ import annotations

from estate import canonical
from estate.canonical import Json
from estate.progress import Progress

_LONGEST_LINE = 2000


def cleaned(value: Json) -> Json:
    """`value` with every text in it fit for a canonical form; nothing is shortened."""
    match value:
        case str():
            return canonical.clean_text(value, len(value))
        case list():
            return [cleaned(v) for v in value]
        case dict():
            return {canonical.clean_text(k, len(k)): cleaned(v) for k, v in value.items()}
        case _:
            return value


def line(text: str) -> str:
    """One line: who writes a text cannot write the lines around it."""
    return canonical.clean_text(" ".join(text.split()), _LONGEST_LINE)


def told(progress: Progress) -> Progress:
    """A signal whose texts are lines."""
    details = tuple(line(d) for d in progress.details)
    return progress.model_copy(update={"text": line(progress.text), "details": details})
