"""What the commands about placement share: an answer of the running system or of files, and its parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.completing import names
from console.cli.invocations import ask_door

if TYPE_CHECKING:
    from datetime import datetime

    from console.door.placing import PlacementAsked
    from estate.canonical import Json
    from estate.snapshots import Snapshot

type Row = dict[str, Json]
_SLOW_MEGABYTES = 4
"""Of files: what takes seconds to read, and so is said."""
SitesOption = Annotated[
    list[str] | None,
    typer.Option("--site", help="Only at this site; may be given again.", autocompletion=names("site")),
]
EstateOption = Annotated[
    Path | None, typer.Option(help="A folder with facts, world and estate files, instead of the running system.")
]


def answer(context: typer.Context, command: PlacementAsked, folder: Path | None) -> Json:
    """Of the running system, or of an estate that stands in a folder."""
    return ask_door(context, command).result if folder is None else of_files(*read(folder), command)


def read(folder: Path) -> tuple[Snapshot, datetime]:
    """The estate that stands in a folder, and when it was read. Raises BadInput."""
    from datetime import UTC, datetime

    from console.cli.rendering import note
    from console.judging import read_estate

    megabytes = sum(f.stat().st_size for f in folder.glob("*.yaml")) // 1_000_000
    if megabytes > _SLOW_MEGABYTES:
        note(f"reading {megabytes} MB of files in {folder}")
    now = datetime.now(UTC)
    return read_estate(folder, None, now), now


def of_files(snapshot: Snapshot, now: datetime, command: PlacementAsked) -> Json:
    """The answer of an estate that was read, to somebody who sees everything."""
    from console.door.placing import Placing
    from console.door.views import Sight

    return Placing(lambda: snapshot, lambda: now).answer(Sight(everything=True), command)


def document(file: Path) -> Json:
    """A file that a person wrote. Raises BadInput."""
    import yaml

    from estate.errors import BadInput

    try:
        found: Json = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); check the name and its permissions") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: is neither YAML nor JSON ({error})") from error
    return found


def fields(value: Json) -> Row:
    """A record."""
    assert isinstance(value, dict)
    return value


def rows(value: Json) -> list[Row]:
    """A list of records."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def listed(value: Json) -> list[Json]:
    """A list."""
    return value if isinstance(value, list) else []
