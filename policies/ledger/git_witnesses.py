"""A Git repository that keeps checkpoints: each is a file and a commit, pushed and never forced.

It signs nothing; what makes it a witness is that others can fetch it and that its branch takes no rewriting. Its copies
are what `placet ledger verify --seen DIR` compares an export with. Before it pushes it reads what the repository holds
and refuses to add a checkpoint that does not continue that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from estate.errors import Denied, RetryLater
from policies.ledger import merkle, notes
from policies.ledger.notes import Checkpoint
from policies.ledger.witnesses import Shown

SECONDS = 60.0
SUFFIX = ".checkpoint"
_AUTHOR = ("-c", "user.name=placet", "-c", "user.email=placet@localhost", "-c", "commit.gpgsign=false")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class GitWitness:
    """One branch of one repository, by a clone of our own in `folder`."""

    def __init__(self, repository: str, folder: Path, branch: str = "main") -> None:
        self._repository = repository
        self._folder = folder
        self._branch = branch

    @property
    def name(self) -> str:
        """The repository's address."""
        return self._repository

    async def show(self, shown: Shown) -> str:
        """See the port."""
        await self._fetched()
        place = self._folder / "checkpoints" / shown.checkpoint.origin
        await self._check_continues(place, shown)
        path = place / f"{shown.checkpoint.head.size:012}{SUFFIX}"
        if not await asyncio.to_thread(_write, path, shown.note):
            return ""
        await self._git("add", "--", str(path.relative_to(self._folder)))
        await self._git(*_AUTHOR, "commit", "--quiet", "--message", f"{path.parent.name} at {int(path.stem)}")
        await self._git("push", "--quiet", "origin", f"HEAD:refs/heads/{self._branch}")
        return ""

    async def _fetched(self) -> None:
        """Our clone as the repository is now; what a push that failed left behind is forgotten."""
        if await asyncio.to_thread(_is_new, self._folder):
            await self._git("init", "--quiet", f"--initial-branch={self._branch}")
            await self._git("remote", "add", "origin", self._repository)
        known = await self._git("ls-remote", "--heads", "origin", self._branch)
        if known.strip():
            await self._git("fetch", "--quiet", "origin", self._branch)
            await self._git("reset", "--quiet", "--hard", "FETCH_HEAD")

    async def _check_continues(self, place: Path, shown: Shown) -> None:
        kept, size = await asyncio.to_thread(_newest, place), shown.checkpoint.head.size
        if kept is None:
            return
        if kept.head.size > size or not await _continues(kept, shown):
            raise Denied(f"`{self.name}` holds another log of {kept.head.size} entries; this one of {size} is not it")

    async def _git(self, *arguments: str) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                cwd=self._folder,
                env=os.environ | _ENVIRONMENT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise RetryLater(f"git cannot be run: {error.strerror}; install it") from error
        return await _finished(process, arguments)


def _is_new(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    return not (folder / ".git").exists()


def _newest(place: Path) -> Checkpoint | None:
    newest = max(place.glob(f"*{SUFFIX}"), default=None)
    return notes.read_checkpoint(newest.read_text()) if newest else None


def _write(path: Path, note: str) -> bool:
    """Whether the checkpoint was not there."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(note)
    return True


async def _continues(kept: Checkpoint, shown: Shown) -> bool:
    head = shown.checkpoint.head
    proof: Sequence[bytes] = await shown.prove(kept.head.size) if 0 < kept.head.size < head.size else ()
    return merkle.extends(kept.head, head, tuple(proof))


async def _finished(process: asyncio.subprocess.Process, arguments: Sequence[str]) -> str:
    try:
        out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise RetryLater(f"`git {arguments[0]}` takes longer than {SECONDS:g} s; look at the repository") from error
    if process.returncode:
        raise RetryLater(f"`git {arguments[0]}` failed: {err.decode(errors='replace').strip()[:300]}")
    return out.decode(errors="replace")
