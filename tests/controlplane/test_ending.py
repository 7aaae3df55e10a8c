"""Nothing is left behind by a process that is killed, and nothing swept that is not abandoned."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from tools.controlplane import folders

pytestmark = [pytest.mark.kubernetes(shared=False), pytest.mark.processes]

ROOT = Path(__file__).parents[2]
OWNER = textwrap.dedent("""
    import asyncio
    from tools.controlplane.launching import controlplane
    async def main():
        async with controlplane() as plane:
            print(*(component.pid for component in plane.components.values()), flush=True)
            await asyncio.sleep(100)
    asyncio.run(main())
""")


async def test_no_process_and_no_folder_outlives_a_killed_owner(tmp_path: Path):
    """kill -9 gives nobody a chance to tidy up: the kernel ends the components, the next start sweeps the folder."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ".", "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert owner.stdout is not None
    pids = [int(word) for word in (await asyncio.wait_for(owner.stdout.readline(), 90)).split()]
    assert len(pids) == 5
    assert all(alive(pid) for pid in pids)
    assert folders.sweep(tmp_path) == []
    (folder,) = (tmp_path / name for name in os.listdir(tmp_path))
    owner.kill()
    await owner.wait()
    async with asyncio.timeout(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.02)
    assert folders.sweep(tmp_path) == [folder]
    assert not os.listdir(tmp_path)


def test_a_sweep_leaves_what_is_not_an_abandoned_control_plane(tmp_path: Path):
    """It removes by lock, never by age or name alone."""
    (tmp_path / "somebody-elses").mkdir()
    (tmp_path / "placet-controlplane-being-made").mkdir()
    with folders.held(tmp_path / "given"):
        assert folders.sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
