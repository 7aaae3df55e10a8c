"""The values of a graph as plain JSON: no class paths, no pickles, nothing that runs when it is read.

Called by `documents`. What JSON has no word for carries a tag (`$placet`): bytes, tuples, sets of text (LangGraph's
joins are such), an error, and LangGraph's own Interrupt, Send and Overwrite. Everything else is refused with the place
where it stands, because a checkpoint must be readable by the program that follows this one.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from langgraph.types import Interrupt, Overwrite, Send

from estate.canonical import Json
from estate.errors import BadInput

TAG = "$placet"


def written(value: Any, at: str = "$") -> Json:
    """The plain JSON form of `value`. Raises BadInput, naming the place, for what has none."""
    match value:
        case None | bool() | str():
            return _exactly(value, at)
        case int() | float():
            return _number(value, at)
        case list():
            return [written(item, f"{at}[{index}]") for index, item in enumerate(value)]
        case dict():
            return _object(value, at)
        case _:
            return _tagged(value, at)


def read(form: Json) -> Any:
    """The value of a plain form. Raises BadInput for a tag that this program does not know."""
    match form:
        case list():
            return [read(item) for item in form]
        case dict() if TAG in form:
            return _untagged(form)
        case dict():
            return {key: read(item) for key, item in form.items()}
        case _:
            return form


def _exactly(value: Any, at: str) -> Json:
    if type(value) not in {str, bool, type(None)}:
        raise _refused(value, at)  # a str enum would come back as another type
    plain: Json = value
    return plain


def _number(value: Any, at: str) -> Json:
    if type(value) not in {int, float} or (isinstance(value, float) and not math.isfinite(value)):
        raise _refused(value, at)
    plain: Json = value
    return plain


def _object(value: Mapping[Any, Any], at: str) -> Json:
    if strange := [key for key in value if type(key) is not str]:
        raise BadInput(f"key `{strange[0]!r}` at {at} of the state is not text; write it as text")
    form = {key: written(item, f"{at}.{key}") for key, item in value.items()}
    return {TAG: "object", "value": form} if TAG in form else form


def _tagged(value: Any, at: str) -> Json:
    match value:
        case bytes():
            return {TAG: "bytes", "value": b64encode(value).decode()}
        case tuple() if type(value) is tuple:
            return {TAG: "tuple", "value": [written(item, f"{at}[{index}]") for index, item in enumerate(value)]}
        case set() if all(type(item) is str for item in value):
            return {TAG: "set", "value": sorted(value)}
        case Interrupt():
            return {TAG: "interrupt", "value": written(value.value, f"{at}.value"), "id": value.id}
        case Send() if getattr(value, "timeout", None) is None:
            return {TAG: "send", "node": value.node, "value": written(value.arg, f"{at}.arg")}
        case Overwrite():
            return {TAG: "overwrite", "value": written(value.value, f"{at}.value")}
        case BaseException():
            return {TAG: "error", "value": f"{type(value).__name__}: {value}"}
        case _:
            raise _refused(value, at)


def _refused(value: Any, at: str) -> BadInput:
    return BadInput(f"`{type(value).__name__}` at {at} of the state is not plain JSON; store its `json_form()` instead")


def _untagged(form: dict[str, Json]) -> Any:
    tag = form[TAG]
    reader = _READERS.get(tag) if isinstance(tag, str) else None
    if reader is None:
        raise BadInput(f"a checkpoint holds the tag `{tag}` that this placet does not know; upgrade")
    return reader(form)


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "object": lambda form: {key: read(item) for key, item in form["value"].items()},
    "bytes": lambda form: b64decode(form["value"]),
    "tuple": lambda form: tuple(read(item) for item in form["value"]),
    "set": lambda form: set(form["value"]),
    "interrupt": lambda form: Interrupt(value=read(form["value"]), id=form["id"]),
    "send": lambda form: Send(form["node"], read(form["value"])),
    "overwrite": lambda form: Overwrite(read(form["value"])),
    "error": lambda form: form["value"],
}
