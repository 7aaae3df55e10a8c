"""What our programs load before they begin, loaded once: see `tests.spawning`. Nobody else imports this.

Never `console.cli.main` or a program of the tests: they are run as `__main__`, each in a process of its own.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil

import console.cli
import console.composing
from console.cli.commands import command

LATER = {"console.cli.main"}
LOADED = (
    *(m.name for p in (console.cli, console.composing) for m in pkgutil.iter_modules(p.__path__, f"{p.__name__}.")),
    "agents.checkpoints.jetstream",
    "agents.checkpoints.postgres",
    "console.demo.estate",
    "console.door.sealing",
    "console.initialising",
    "console.serving",
    "langchain_core.tracers.context",
    "numpy.ma",
    "policies.ledger.postgres",
    "policies.ledger.sqlite",
    "tests.crash.mines",
    "tests.crash.races",
    "tests.execution.test_executor_crashes",
    "tools.inventory.files",
    "uvicorn.protocols.http.auto",
)

for name in LOADED:
    if name not in LATER:
        importlib.import_module(name)
command()
gc.freeze()
