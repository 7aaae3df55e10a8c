"""The state directory keeps one installation whole: private, locked by one process, never read as something newer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from console import state
from estate.errors import BadInput, NewerRecord, RetryLater
from tests.builders import START


@pytest.fixture
def directory(tmp_path: Path) -> state.StateDirectory:
    made = state.StateDirectory(tmp_path / "state")
    made.prepare(START)
    return made


def test_every_folder_is_private_and_the_format_is_written(directory: state.StateDirectory) -> None:
    """Keys and ledgers of an installation are nobody else's business."""
    folders = [directory.root, *(p for p in directory.root.rglob("*") if p.is_dir())]
    assert {p.stat().st_mode & 0o777 for p in folders} == {0o700}
    assert (directory.root / "FORMAT").read_text() == "1\n"


def test_a_newer_format_is_refused_and_left_as_it_is(directory: state.StateDirectory) -> None:
    """A downgrade must not write an old layout over a new one."""
    (directory.root / "FORMAT").write_text("2\n")
    with pytest.raises(NewerRecord, match="format 2"):
        directory.prepare(START)
    assert (directory.root / "FORMAT").read_text() == "2\n"


def test_an_older_format_is_backed_up_before_it_is_migrated(
    directory: state.StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a migration breaks can be had back."""
    (directory.root / "FORMAT").write_text("0\n")
    (directory.root / "old").write_text("kept")

    def move(root: Path) -> None:
        (root / "old").rename(root / "new")

    monkeypatch.setattr(state, "MIGRATIONS", {0: move})
    backup = directory.prepare(START)
    assert backup is not None
    assert (backup / "old").read_text() == "kept"
    assert (directory.root / "new").read_text() == "kept"
    assert (directory.root / "FORMAT").read_text() == "1\n"


def test_a_format_that_is_no_number_names_the_file(directory: state.StateDirectory) -> None:
    (directory.root / "FORMAT").write_text("one\n")
    with pytest.raises(BadInput, match=r"FORMAT.*`one`"):
        directory.check_format()


def test_a_second_process_cannot_take_the_lock_and_is_told_who_holds_it(directory: state.StateDirectory) -> None:
    """Two systems on one directory would both believe themselves alone."""
    code = (
        "import sys, pathlib\nfrom console import state\n"
        "with state.locked(state.StateDirectory(pathlib.Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(directory.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RetryLater, match=f"process {holder.pid}"), state.locked(directory):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
    with state.locked(directory):
        pass


def test_a_directory_without_an_installation_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="placet init"):
        state.StateDirectory(tmp_path).record()


def test_a_private_file_is_replaced_whole_and_never_readable_by_others(directory: state.StateDirectory) -> None:
    path = directory.root / "secret"
    state.write_private(path, b"one")
    state.write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
