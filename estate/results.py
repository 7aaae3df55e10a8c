"""Values for what the domain expects: a refusal is a result, never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from estate.records import Model


class RefusalCode(StrEnum):
    """Why a change has no effect here."""

    UNKNOWN_TARGET = "unknown-target"
    UID_CHANGED = "uid-changed"
    PRECONDITION_FAILED = "precondition-failed"
    NO_CAPACITY = "no-capacity"
    OTHER_MANAGER = "other-manager"
    NOT_SUPPORTED = "not-supported"
    FAULT = "fault"


class Refusal(Model):
    """A change that cannot take effect: the code, what it is about, and what to do next."""

    outcome: Literal["refused"] = "refused"
    code: RefusalCode
    about: str
    message: str


@dataclass(frozen=True, slots=True)
class Ok[T]:
    """The result that was hoped for."""

    value: T


type Result[T] = Ok[T] | Refusal
