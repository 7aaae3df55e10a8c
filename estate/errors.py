"""The errors of Placet, told apart by what a caller may do about them.

PlacetError
├── RetryLater        the same call may succeed later (tenacity retries only this kind)
├── NeverRetry        the same call can never succeed
│   ├── BadInput      what somebody wrote is wrong; the message names the place and the remedy
│   └── NewerRecord   written by a newer Placet; leave it where it is and raise an alarm
└── Denied            the caller may not do this (unsigned, unknown, not enrolled)

"No capacity", "forbidden" and "cannot be undone" are results, not errors: see `estate.results`.
"""

from __future__ import annotations


class PlacetError(Exception):
    """The root of every error that Placet raises on purpose."""


class RetryLater(PlacetError):
    """A passing fault: the same call may succeed later."""


class NotYet(RetryLater):
    """Nothing is wrong: what it needs is expected to come first, and it may be there already when it is looked for."""


class NeverRetry(PlacetError):
    """The same call can never succeed."""


class BadInput(NeverRetry):
    """Something written for Placet is wrong; the message names place, value and remedy."""


class NewerRecord(NeverRetry):
    """A record of a newer version than this program knows; it is left unread, with an alarm."""


class Denied(PlacetError):
    """The caller is not who they claim to be, or may not ask for this."""
