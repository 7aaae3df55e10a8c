"""The runner itself: tests of one `xdist_group` run on one worker.

pytest-xdist 3.8 under pytest 9.2 ignores the groups and says nothing (pytest-xdist issue 1386); a control plane of half
a gigabyte would then be started twice, and tests that must not meet would meet.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import os, pathlib, pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(8))
def test_one_of_a_group(number):
    pathlib.Path(os.environ["SEEN"], os.environ["PYTEST_XDIST_WORKER"]).touch()
"""


def test_the_tests_of_one_group_run_on_one_worker(tmp_path: Path):
    """With the pytest and the xdist that the lock names; no other plugin is loaded."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (seen := tmp_path / "seen").mkdir()
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin", "PYTEST_ADDOPTS": ""}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, **alone, "SEEN": str(seen)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(list(seen.iterdir())) == 1
