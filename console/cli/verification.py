"""`placet ledger verify`: which keys are trusted, what held, and everything that did not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from console.cli.invocations import Output
from console.cli.rendering import emit, note
from estate.canonical import Json
from estate.errors import BadInput
from policies.ledger import proofs, tiles, verifying
from policies.ledger.reports import Report
from policies.ledger.verifier_keys import VerifierKey

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; a longer line is cut there and then does not hold: nobody fills a verifier's memory."""
MOST_TOLD = 50
"""Faults that are printed one by one; `-o json` has them all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A file or a folder, whose keys to trust, and what somebody kept."""

    path: Path
    keys: tuple[Path, ...] = ()
    seen: tuple[Path, ...] = ()

    def verified(self, trusted: tuple[VerifierKey, ...], seen: tuple[str, ...]) -> Report:
        """The report on whatever it is."""
        if self.path.is_dir():
            return tiles.verify(self.path, trusted, seen)
        with self.path.open("rb") as opened:
            if proofs.is_proof(opened.peek(64)):
                return proofs.verify(opened.read(proofs.MOST_BYTES + 1), trusted, seen)
            read = iter(lambda: opened.readline(LONGEST_LINE), b"")
            return verifying.verify(read, trusted, seen, processes=os.process_cpu_count() or 1)


def report(asked: Asked, output: Output) -> int:
    """Verify and say what was found; 0 when everything holds, 1 when it does not.

    Raises:
        BadInput: file or keys cannot be read, or there is no key to trust.
    """
    file = asked.path
    if not file.exists():
        raise BadInput(f"{file}: no such file; write one with `placet ledger export {file.name}`")
    beside = file if file.is_dir() else file.absolute().parent
    trusted = tuple(dict.fromkeys(_keys(asked.keys or sorted(beside.glob("*.vkey")))))
    if not trusted:
        raise BadInput(f"no public key beside `{file}`; name one with --key, got from somebody you trust")
    for key in trusted:
        retired = "" if key.until is None else f", up to {key.until} entries"
        note(f"trusting {'witness ' if key.is_witness else ''}{key.name} {key.fingerprint}{retired}")
    try:
        found = asked.verified(trusted, tuple(_seen(asked.seen)))
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); check the name") from error
    _write(found, output)
    _tell(found)
    return 0 if found.holds else 1


def _tell(found: Report) -> None:
    if found.without_body:
        told = f"{found.erasures} of them erased, as the ledger says" if found.erasures else "erased by the keeper"
        note(f"{found.without_body} entries came without their body: {told}, or taken out of this file")
    for fault in found.faults[1 : MOST_TOLD + 1]:
        note(f"broken too: {fault}")
    if len(found.faults) > MOST_TOLD + 1:
        note(f"and {len(found.faults) - MOST_TOLD - 1} more; see -o json")
    note("the ledger holds" if found.holds else f"the ledger does not hold: {found.fault}")


def _write(found: Report, output: Output) -> None:
    form = _form(found)
    if output is Output.TABLE:
        emit({k: v for k, v in form.items() if k not in {"logs", "faults"}}, output)
        emit(form["logs"], output, ("origin", "size", "root", "without_body"))
    else:
        emit(form, output)


def _form(found: Report) -> dict[str, Json]:
    logs: list[Json] = [
        {"origin": log.origin, "size": log.size, "root": log.root, "without_body": log.erased} for log in found.logs
    ]
    return {
        "holds": found.holds,
        "entries": found.entries,
        "without_body": found.without_body,
        "erased": found.erasures,
        "fault": str(found.fault) if found.fault else None,
        "faults": [str(fault) for fault in found.faults],
        "logs": logs,
    }


def _keys(paths: Iterable[Path]) -> Iterator[VerifierKey]:
    for path in paths:
        yield from VerifierKey.parse_all(_text(path))


def _seen(paths: Iterable[Path]) -> Iterator[str]:
    """Each note in these files, and in the files of checkpoints below these folders."""
    for path in paths:
        for file in sorted(path.rglob("*checkpoint")) if path.is_dir() else (path,):
            yield _text(file)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInput(f"{path}: cannot be read ({reason}); check the name") from error
