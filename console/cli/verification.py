"""`placet ledger verify`: which keys are trusted, what held, and where it broke."""

from __future__ import annotations

from pathlib import Path

from console.cli.invocations import Output
from console.cli.rendering import emit, note
from estate.canonical import Json
from estate.errors import BadInput
from policies.ledger.verifier_keys import VerifierKey
from policies.ledger.verifying import Report, verify

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; a longer line is cut there and then does not hold: nobody fills a verifier's memory."""


def report(file: Path, keys: tuple[Path, ...], output: Output) -> int:
    """Verify and say what was found; 0 when everything holds, 1 when it does not.

    Raises:
        BadInput: file or keys cannot be read, or there is no key to trust.
    """
    if not file.is_file():
        raise BadInput(f"{file}: no such file; write one with `placet ledger export {file.name}`")
    beside = tuple(sorted(file.absolute().parent.glob("*.vkey")))
    trusted = {key.fingerprint: key for key in map(_key, keys or beside)}.values()
    if not trusted:
        raise BadInput(f"no public key beside `{file}`; name one with --key, got from somebody you trust")
    for key in trusted:
        note(f"trusting {key.name} {key.fingerprint}")
    try:
        with file.open("rb") as opened:
            found = verify(iter(lambda: opened.readline(LONGEST_LINE), b""), tuple(trusted))
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); check the name") from error
    _write(found, output)
    if found.without_body:
        note(f"{found.without_body} entries came without their body: erased by the keeper, or taken out of this file")
    note("the ledger holds" if found.holds else f"the ledger does not hold: {found.fault}")
    return 0 if found.holds else 1


def _write(found: Report, output: Output) -> None:
    form = _form(found)
    if output is Output.TABLE:
        emit({k: v for k, v in form.items() if k != "logs"}, output)
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
        "fault": str(found.fault) if found.fault else None,
        "logs": logs,
    }


def _key(path: Path) -> VerifierKey:
    try:
        return VerifierKey.parse(path.read_text())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the name") from error
