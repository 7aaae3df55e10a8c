"""Quantities whose unit is their type. Integers only, so that no two canonical forms of one value exist."""

from __future__ import annotations

from typing import Annotated, NewType

from pydantic import Field

Watts = NewType("Watts", Annotated[int, Field(ge=0, le=10**12)])
Mebibytes = NewType("Mebibytes", Annotated[int, Field(ge=0, le=10**15)])
MilliGpu = NewType("MilliGpu", Annotated[int, Field(ge=0, le=10**9)])
"""Thousandths of one accelerator."""
MicroUsdPerHour = NewType("MicroUsdPerHour", Annotated[int, Field(ge=0, le=10**15)])
Milliseconds = NewType("Milliseconds", Annotated[int, Field(ge=0, le=10**12)])
