"""Rules over the whole repository that no single module could keep: names, floors, imports, and what files may say."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("estate", "policies", "tools", "agents", "console")
GENERIC = {"utils", "helpers", "base", "common", "manager", "misc"}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".cedar", ".txt", ".lock", ".cedarschema", ""}

# Written in two halves, so that this file does not name what it forbids.
FORBIDDEN = (
    "pypi" + ".org",
    "pythonh" + "osted.org",
    "proxy.go" + "lang.org",
    "registry.n" + "pmjs.org",
    "docker" + ".io",
)
WORKPLACE = ("/" + "work/", "/" + "root/", "/" + "home/")
KEYS = ("policies.signing", "policies.ledger", "tools.execution", "console")
"""What no process of agents may load."""

pytestmark = pytest.mark.xdist_group("repository")
"""One worker reads the code once."""


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Each file of our own code, parsed."""
    return {path: ast.parse(path.read_text()) for path in own_code()}


def modules() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of the project's own files")
    return [p for name in listed.stdout.decode().split("\0") if name and (p := ROOT / name).is_file()]


def test_no_other_installed_distribution_claims_one_of_our_names() -> None:
    """The import names are generic; a second `agents` in the environment would shadow ours."""
    owners = importlib.metadata.packages_distributions()
    claims = {name: set(owners.get(name, [])) - {"placet"} for name in (*PACKAGES, "evals", "benchmarks")}
    assert not {name: found for name, found in claims.items() if found}


def test_the_floors_hold() -> None:
    """import-linter's contracts, run from the test suite too, so that nobody forgets."""
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def imported() -> subprocess.CompletedProcess[str]:
    """An interpreter that has imported all modules, those of the agents first; what it found wrong is on stdout.

    Python's own audit events see every socket, process, thread, database and written file that an import makes.
    """
    code = rf"""
import importlib, re, sys, threading
import encodings.idna, asyncio, uvicorn, nats, cedarpy, psycopg, psycopg_pool, langgraph.graph, typer, rich.console
import starlette.applications, httpx, numpy, kubernetes.client, langchain_core.messages, yaml, structlog, platformdirs
found = []
CACHED = re.compile(r"\.pyc|__pycache__/?$")  # of compiled code: numba looks whether it may write one
WATCHED = ("socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.posix_spawn", "sqlite3.connect")
def hook(event, args):
    if event in WATCHED:
        found.append((event, repr(args)[:200]))
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and not CACHED.search(str(args[0])):
        found.append((event, repr(args)[:200]))
sys.dont_write_bytecode = True
sys.addaudithook(hook)
before = set(threading.enumerate())
names = {sorted(modules(), key=lambda name: not name.startswith("agents"))!r}
held = {KEYS!r}
for name in names:
    if held and not name.startswith("agents"):
        print("agents:", [m for m in sys.modules if m.startswith(held)])
        held = ()
    importlib.import_module(name)
    if found:
        print("effects:", name, found)
        found.clear()
if set(threading.enumerate()) != before:
    print("effects: a thread was started")
"""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_importing_any_module_connects_to_nothing_and_starts_nothing(
    imported: subprocess.CompletedProcess[str],
) -> None:
    assert imported.returncode == 0, imported.stderr
    assert "effects:" not in imported.stdout, imported.stdout


def test_the_agents_package_cannot_import_a_key(imported: subprocess.CompletedProcess[str]) -> None:
    """Whatever an agent process loads, no module that can sign is among it."""
    assert imported.stdout.startswith("agents: []\n"), imported.stdout + imported.stderr


def test_importing_any_module_reads_no_environment_variable_of_ours(trees: dict[Path, ast.Module]) -> None:
    """Settings come through `console.config` only: nothing reads `os.environ` while it is imported."""
    for path, tree in trees.items():
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                reads = [n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr in {"environ", "getenv"}]
                assert not reads, f"{path}: reads the environment at import"


def own_code() -> list[Path]:
    return [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]


def test_no_module_has_a_generic_name() -> None:
    assert not [p for p in own_code() if p.stem in GENERIC]


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    assert not [(p, n) for p in own_code() if (n := len(p.read_text().splitlines())) > 500]


def test_no_function_is_longer_than_sixty_lines(trees: dict[Path, ast.Module]) -> None:
    """STYLE §1: beauty is in the tail."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long


def test_every_module_says_what_it_is_for(trees: dict[Path, ast.Module]) -> None:
    bare = [path for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
    assert not bare


def test_only_the_composition_root_pairs_ports_with_adapters(trees: dict[Path, ast.Module]) -> None:
    """Every adapter is imported by `console.composing`, by its own package, or not at all.

    `console.visiting` pairs the bus alone, so that a command at the prompt loads no engine.
    """
    adapters = {
        "policies.ledger.sqlite",
        "policies.ledger.postgres",
        "policies.signing.files",
        "tools.bus.nats",
        "tools.bus.server",
        "tools.execution.twin",
        "agents.checkpoints.jetstream",
        "agents.checkpoints.postgres",
    }
    # Making keys and probing the machine are the CLI's own jobs, not compositions.
    allowed = {
        "console.visiting",
        "console.initialising",
        "console.installations",
        "console.identities",
        "console.rotating",
        "console.succeeding",
        "console.doctoring",
        "console.demo.run",
    }
    for name in modules():
        if name in allowed or name.startswith("console.composing."):
            continue
        path = ROOT.joinpath(*name.split("."))
        source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        for imported in imports_of(trees[source]):
            own = imported.rpartition(".")[0]
            if imported in adapters and not name.startswith(own):
                pytest.fail(f"{name} imports the adapter {imported}")


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def test_no_file_names_a_package_registry_or_a_path_of_somebodys_machine() -> None:
    """What ships must work, and read, the same everywhere."""
    for path in tracked():
        if path.suffix in TEXT:
            text = path.read_text(errors="ignore")
            named = [word for word in (*FORBIDDEN, *WORKPLACE) if word in text]
            assert not named, f"{path.relative_to(ROOT)} names {named}"
