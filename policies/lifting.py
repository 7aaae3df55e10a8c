"""Which rules give way to exceptions and broken glass, as their own text says. Pure functions of a policy's JSON form.

Called when a bundle is loaded. A rule of tier 1 says `unless { context.lifted.contains("its own id") }` or is firm, for
the reason of its `@firm` if it gives one. No rule of another tier reads any of it: no exception could lift tier 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from estate.canonical import Json


def fault(tier: int, name: str, firm: bool, policy: Mapping[str, Json]) -> str | None:
    """What is wrong with a rule in this respect, or None."""
    form = dict(policy)
    asked = set(_asked(form))
    if tier != 1:
        return "reads `lifted`; only tier 1 gives way to exceptions and broken glass" if _reads(form) else None
    if asked - {name}:
        return f"gives way to the exceptions of `{min(asked - {name})}`; a rule has its own"
    return "is `@firm` and gives way all the same; it is one or the other" if firm and asked else None


def liftable(policy: Mapping[str, Json]) -> bool:
    """Whether it gives way to anything."""
    return any(True for _ in _asked(dict(policy)))


def _asked(policy: Json) -> Iterator[str]:
    """The names that a policy looks for in `lifted`."""
    for form in _forms(policy):
        match form:
            case {"contains": {"left": left, "right": {"Value": str(name)}}} if _reads(left):
                yield name
            case _:
                pass


def _reads(form: Json) -> bool:
    return any(isinstance(path := f.get("."), dict) and path.get("attr") == "lifted" for f in _forms(form))


def _forms(form: Json) -> Iterator[dict[str, Json]]:
    """Every object within a policy's JSON."""
    if isinstance(form, dict):
        yield form
    inner = list(form.values()) if isinstance(form, dict) else form if isinstance(form, list) else []
    for part in inner:
        yield from _forms(part)
