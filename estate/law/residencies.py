"""Where something may be: the countries of each axis. Of tenant, datasets and contract the narrowest holds."""

from __future__ import annotations

from estate.ids import Country
from estate.records import Model, later


class Residency(Model):
    """Where something may be, on its axes. Empty means nowhere: an unknown limit denies."""

    geographic: tuple[Country, ...] = ()
    legal: tuple[Country, ...] = ()
    operational: tuple[Country, ...] = ()
    key: tuple[Country, ...] = later(())
    """Whose law the holders of its keys may be under. Empty limits them no further than the legal axis."""
