"""The checkpoint saver of LangGraph on any `Shelf`, with a fence between runs of one thread.

Made by `console.bootstrap`; the case graph is compiled with it. Of two runs that resume one thread exactly one goes
on: a run remembers the version it read and every write names it, so the run that writes second gets `Fenced` before
its next node starts (run graphs with `durability="sync"`). It stores plain JSON only (see `plain`), and of each
namespace only the newest checkpoints.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)

from agents.checkpoints import documents, plain
from agents.checkpoints.documents import Document, Saved
from agents.checkpoints.port import Address, Fenced, Shelf

KEEP = 4
"""How many checkpoints of a namespace stay by default. A run needs the newest only; the others are for people."""

type _Change = Callable[[Document], Document]

_RUN = "__placet_run"
_ATTEMPTS = 50
_BEGINNING = -1
"""LangGraph's step number of the first checkpoint of a thread."""
_BEGUN_KEPT = 64


@dataclass(slots=True)
class _Run:
    """What one run of a thread has read and written; it travels in the run's own config."""

    address: Address
    document: Document
    version: int | None
    """None: nothing is stored yet."""
    unsaved: bool = False
    """Whether writes wait for the checkpoint that takes them in."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Protects document and version: LangGraph stores the writes of parallel tasks at the same time."""


class PlacetSaver(BaseCheckpointSaver[int]):
    """See `langgraph.checkpoint.base.BaseCheckpointSaver`; asynchronous methods only."""

    def __init__(self, shelf: Shelf, *, keep: int | None = KEEP) -> None:
        super().__init__()
        self._shelf = shelf
        self._keep = keep
        self._begun: dict[Address, _Run] = {}
        """First runs of threads, newest last: there was nothing to read that could have carried them."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        address = _address(config)
        await self._let_go(address)
        held = await self._shelf.load(address)
        if held is None:
            self._begin(address)
            return None
        document = documents.from_bytes(held.data)
        wanted = get_checkpoint_id(config)
        saved = document.found(wanted) if wanted else document.newest
        return _tuple(document, saved, _Run(address, document, held.version)) if saved else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        wanted = get_checkpoint_id(config) if config else None
        earlier = get_checkpoint_id(before) if before else None
        given = 0
        for document in await self._documents(config):
            for saved in reversed(document.checkpoints):
                if limit is not None and given >= limit:
                    return
                if _asked_for(saved, wanted, earlier, filter):
                    given += 1
                    yield _tuple(document, saved)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint.

        Raises:
            Fenced: another run wrote this thread since this one read it, or began it at the same time.
            BadInput: the state holds something that is not plain JSON.
        """
        saved = _saved(config, checkpoint, metadata)

        def change(document: Document) -> Document:
            if document.checkpoints and saved.parent is None and metadata.get("step") == _BEGINNING:
                raise Fenced(f"thread `{document.thread}` was begun by another run; resume it instead")
            return document.with_checkpoint(saved, self._keep)

        await self._change(self._run_of(config), config, change)
        return _config(_address(config), saved.id)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep a task's writes under its checkpoint. Raises as `aput`.

        What a run's task wrote to channels of the state is stored with the checkpoint that takes it in: until then a
        crash runs the task again, as it does anywhere within a task. Interrupts and errors are stored at once.
        """
        checkpoint = str(config["configurable"]["checkpoint_id"])
        run = self._run_of(config)

        def change(document: Document) -> Document:
            return document.with_writes(checkpoint, writes, task_id, task_path)

        if run is not None and not any(channel in WRITES_IDX_MAP for channel, _ in writes):
            async with run.turn:
                run.document, run.unsaved = change(run.document), True
            return
        await self._change(run, config, change)

    async def adelete_thread(self, thread_id: str) -> None:
        self._begun = {a: run for a, run in self._begun.items() if a.thread != str(thread_id)}
        for address in await self._shelf.addresses(str(thread_id)):
            await self._shelf.delete(address)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        gone = set(run_ids)
        for address in await self._shelf.addresses():
            await self._rewrite(
                address, lambda d: d.without(s.id for s in d.checkpoints if s.metadata.get("run_id") in gone)
            )

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        for address in await self._shelf.addresses(source_thread_id):
            held = await self._shelf.load(address)
            if held is None:
                continue
            source = documents.from_bytes(held.data)
            target = Document(target_thread_id, source.namespace, source.checkpoints, source.writes)
            await self._rewrite(Address(target_thread_id, source.namespace), _always(target))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        for thread in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread)
                continue
            for address in await self._shelf.addresses(thread):
                await self._rewrite(address, lambda document: document.trimmed(1))

    async def _documents(self, config: RunnableConfig | None) -> list[Document]:
        if config is None:
            addresses = await self._shelf.addresses()
        else:
            settings = config["configurable"]
            addresses = await self._shelf.addresses(str(settings["thread_id"]))
            if "checkpoint_ns" in settings:
                addresses = tuple(a for a in addresses if a.namespace == settings["checkpoint_ns"])
        found = [await self._shelf.load(address) for address in addresses]
        return [documents.from_bytes(held.data) for held in found if held is not None]

    def _run_of(self, config: RunnableConfig) -> _Run | None:
        """The run that reads and writes under this config, where it is one of ours."""
        run, address = config["configurable"].get(_RUN), _address(config)
        return run if isinstance(run, _Run) and run.address == address else self._begun.get(address)

    def _begin(self, address: Address) -> None:
        """Whoever found no thread there may begin it; of several, the first checkpoint decides."""
        self._begun[address] = _Run(address, Document(address.thread, address.namespace), None)
        for oldest in list(self._begun)[:-_BEGUN_KEPT]:
            del self._begun[oldest]

    async def _change(self, run: _Run | None, config: RunnableConfig, change: _Change) -> None:
        """Change the document of a run, or of nobody's run where it has none."""
        if run is None:
            await self._rewrite(_address(config), change)
            return
        async with run.turn:
            document = change(run.document)
            run.version = await self._shelf.save(run.address, document.to_bytes(), run.version)
            run.document, run.unsaved = document, False

    async def _let_go(self, address: Address) -> None:
        """Whoever reads or changes the thread from here on finds everything in its place."""
        run = self._begun.pop(address, None)
        if run is not None and run.unsaved:
            with suppress(Fenced):  # another run began it first, and that one goes on
                await self._shelf.save(address, run.document.to_bytes(), run.version)

    async def _rewrite(self, address: Address, change: _Change) -> None:
        """Read, change and replace, again and again while somebody else was faster."""
        await self._let_go(address)
        for _ in range(_ATTEMPTS):
            held = await self._shelf.load(address)
            document = documents.from_bytes(held.data) if held else Document(address.thread, address.namespace)
            changed = change(document)
            if changed == document:
                return
            try:
                if changed.checkpoints or changed.writes:
                    await self._shelf.save(address, changed.to_bytes(), held.version if held else None)
                else:
                    await self._shelf.delete(address)
            except Fenced:
                continue
            return
        raise Fenced(f"thread `{address.thread}` is written by others without pause; try again")


def _always(document: Document) -> _Change:
    return lambda _: document


def _address(config: RunnableConfig) -> Address:
    settings = config["configurable"]
    return Address(str(settings["thread_id"]), str(settings.get("checkpoint_ns", "")))


def _config(address: Address, checkpoint: str, run: _Run | None = None) -> RunnableConfig:
    settings: dict[str, Any] = {
        "thread_id": address.thread,
        "checkpoint_ns": address.namespace,
        "checkpoint_id": checkpoint,
    }
    return {"configurable": settings | ({_RUN: run} if run else {})}


def _saved(config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata) -> Saved:
    parent = config["configurable"].get("checkpoint_id")
    described = plain.written(dict(get_checkpoint_metadata(config, metadata)), "metadata")
    assert isinstance(described, dict)
    return Saved(checkpoint["id"], str(parent) if parent else None, plain.written(dict(checkpoint)), described)


def _tuple(document: Document, saved: Saved, run: _Run | None = None) -> CheckpointTuple:
    address = Address(document.thread, document.namespace)
    return CheckpointTuple(
        config=_config(address, saved.id, run),
        checkpoint=plain.read(saved.checkpoint),
        metadata=plain.read(saved.metadata),
        parent_config=_config(address, saved.parent) if saved.parent else None,
        pending_writes=document.pending(saved.id),
    )


def _asked_for(saved: Saved, wanted: str | None, earlier: str | None, filter: dict[str, Any] | None) -> bool:
    if (wanted and saved.id != wanted) or (earlier and saved.id >= earlier):
        return False
    metadata = plain.read(saved.metadata)
    return all(metadata.get(key) == value for key, value in (filter or {}).items())
