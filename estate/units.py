"""Quantities whose unit is their type. Integers only, so that no two canonical forms of one value exist."""

from __future__ import annotations

from typing import Annotated, NewType

from pydantic import Field

Watts = NewType("Watts", Annotated[int, Field(ge=0, le=10**12)])
Mebibytes = NewType("Mebibytes", Annotated[int, Field(ge=0, le=10**15)])
MilliGpu = NewType("MilliGpu", Annotated[int, Field(ge=0, le=10**9)])
"""Thousandths of one accelerator."""
Millicores = NewType("Millicores", Annotated[int, Field(ge=0, le=10**9)])
"""Thousandths of one processor."""
MicroUsdPerHour = NewType("MicroUsdPerHour", Annotated[int, Field(ge=0, le=10**15)])
Milliseconds = NewType("Milliseconds", Annotated[int, Field(ge=0, le=10**12)])

Seconds = NewType("Seconds", Annotated[int, Field(ge=0, le=10**12)])
MegabitsPerSecond = NewType("MegabitsPerSecond", Annotated[int, Field(ge=0, le=10**12)])
MegabytesPerSecond = NewType("MegabytesPerSecond", Annotated[int, Field(ge=0, le=10**12)])
MilliCelsius = NewType("MilliCelsius", Annotated[int, Field(ge=-100_000, le=1_000_000)])
LitresPerHour = NewType("LitresPerHour", Annotated[int, Field(ge=0, le=10**9)])
RackUnits = NewType("RackUnits", Annotated[int, Field(ge=0, le=100)])
MicroUsd = NewType("MicroUsd", Annotated[int, Field(ge=0, le=10**15)])
"""Of one unit of something that is priced: an hour of a GPU, a kilowatt hour, a gigabyte."""
GramsPerKilowattHour = NewType("GramsPerKilowattHour", Annotated[int, Field(ge=0, le=100_000)])
"""Carbon dioxide equivalents of electricity."""
PerMille = NewType("PerMille", Annotated[int, Field(ge=0, le=1000)])
