"""What a verification found: every fault by log, index and line, what holds, and under whose keys."""

from __future__ import annotations

from dataclasses import dataclass

from policies.ledger.verifier_keys import VerifierKey


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not hold, and where. Without a log it is the header or the file's end."""

    line: int
    reason: str
    log: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        place = f"entry {self.index} of {self.log}" if self.index is not None else self.log or "the export"
        return f"{place} (line {self.line}): {self.reason}"


@dataclass(frozen=True, slots=True)
class LogReport:
    """A log that was read to its end: its size, its root in hexadecimal, and how many of its bodies were erased."""

    origin: str
    size: int
    root: str
    erased: int
    checkpoints: int


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found. `keys` are the given keys that signed; their fingerprints are for people."""

    installation: str
    logs: tuple[LogReport, ...]
    keys: tuple[VerifierKey, ...]
    faults: tuple[Fault, ...]
    erasures: int = 0
    """How many bodies the ledger itself says were erased; more that are missing were taken out of this copy."""

    @property
    def holds(self) -> bool:
        """Whether everything in the file is as it was written."""
        return not self.faults

    @property
    def fault(self) -> Fault | None:
        """The first fault: where later ones follow from one, that one."""
        return self.faults[0] if self.faults else None

    @property
    def entries(self) -> int:
        """Entries of the install log that were checked."""
        return next((log.size for log in self.logs if log.origin.endswith("/install")), 0)

    @property
    def without_body(self) -> int:
        """Entries that stand and whose body the file does not hold: erased by its keeper, or taken out of this copy."""
        return sum(log.erased for log in self.logs)
