"""What `placet issue` gives each role is what it needs, and of the installation's secrets only its own."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from console import config
from console.bootstrap import PROCESSES
from console.config import Cluster, Credentials, ExecutorSpec
from console.databases import SUPERUSER
from console.initialising import Founding, found
from console.installations import Installation
from console.issuing import Issuing
from console.provisioning import users
from console.roles import SERVERS, roles
from console.serving import serve
from console.state import ROLE_KEYS, StateDirectory
from estate.errors import BadInput, Denied
from estate.ids import ClusterId, ExecutorId, InstallationId
from tools.bus.configuring import listening
from tools.inventory.asking import passwords
from tools.inventory.asking.settings import RedfishService
from tools.inventory.asking.settings import Settings as Sources

EXECUTORS = (
    ExecutorSpec(id=ExecutorId("eu"), clusters=(ClusterId("eu-1"),)),
    ExecutorSpec(id=ExecutorId("us"), clusters=(ClusterId("us-1"),)),
)
EVERY = roles(tuple(e.id for e in EXECUTORS))
SETTINGS: dict[str, Any] = {
    "nats_url": "tls://nats:4222",
    "ledger": "postgresql://postgres/ledger",
    "checkpoints": "postgresql://postgres/checkpoints",
    "executors": EXECUTORS,
}
OWN = {
    "gate": {"nats gate", "postgres gate", "key gate"},
    "executor-eu": {"nats executor-eu", "postgres executor-eu"},
    "executor-us": {"nats executor-us", "postgres executor-us"},
    "inventory": {"nats inventory"},
    "agent": {"nats agent", "postgres agent"},
    "console": {"nats console", "postgres console", "key ledger"},
    "client": {"nats client"},
    "nats": set(),
    "postgres": {"postgres postgres"},
}


def issuing(tmp_path: Path, **settings: Any) -> Issuing:
    """An installation that may be taken apart, or what is in the way."""
    state = StateDirectory(tmp_path / "whole")
    found(state, Founding(installation=InstallationId("apart")), datetime.now(UTC))
    written = config.load(state.config_path, {}).model_copy(update=SETTINGS | settings)
    state.config_path.write_text(config.write(written))
    return Issuing.of(state, config.load(state.config_path, {}), tmp_path / "roles")


def secrets_of(installation: Installation) -> dict[str, bytes]:
    """Every secret of the installation by what it opens."""
    state = installation.state
    folders = [state.root / "keys", state.root / "keys" / "identities"]
    keys = {f"key {p.stem}": p.read_bytes() for folder in folders for p in folder.glob("*.key")}
    nats = {f"nats {u.name}": u.password.encode() for u in users(installation)}
    databases = {f"postgres {n}": state.postgres_password(n).encode() for n in (*EVERY, SUPERUSER)}
    whole = {"secret": state.nats_secret_path.read_bytes(), "token": (state.root / "keys" / "local.token").read_bytes()}
    authority = {"key of the authority": state.authority_key_path.read_bytes()} if state.authority_path.exists() else {}
    return keys | nats | databases | whole | authority


def held(directory: Path, secrets: dict[str, bytes]) -> set[str]:
    """The secrets that stand in any file of a directory."""
    files = [p.read_bytes() for p in directory.rglob("*") if p.is_file()]
    return {what for what, secret in secrets.items() if any(secret.strip() in data for data in files)}


def test_of_all_secrets_each_directory_holds_its_own_and_no_other(tmp_path: Path) -> None:
    """Read off the bytes of every file, whatever it is called. An executor signs nothing, so that it has no key."""
    made = issuing(tmp_path)
    made.issue(())
    secrets = secrets_of(made.installation)
    assert len(secrets) > len(EVERY) + len(ROLE_KEYS)
    assert {role: held(made.out / role, secrets) for role in EVERY} == OWN


def test_only_the_inventory_learns_who_reads_a_cluster_and_only_its_executor_who_writes_it(tmp_path: Path) -> None:
    """Copies in their own directories: what the configuration named may then be taken away."""
    reader, writer = tmp_path / "reader.kubeconfig", tmp_path / "writer.kubeconfig"
    reader.write_text("reads eu")
    writer.write_text("writes eu")
    cluster = Cluster(
        id=ClusterId("eu-1"), reader=Credentials(kubeconfig=reader, context="eu"), writer=Credentials(kubeconfig=writer)
    )
    made = issuing(tmp_path, clusters=(cluster, Cluster(id=ClusterId("us-1"), reader=Credentials())))
    made.issue(())
    found = {role: held(made.out / role, {"r": b"reads eu", "w": b"writes eu"}) for role in EVERY}
    assert {role: what for role, what in found.items() if what} == {"inventory": {"r"}, "executor-eu": {"w"}}
    inventory, executor = (StateDirectory(made.out / role) for role in ("inventory", "executor-eu"))
    read = config.load(inventory.config_path, {}).clusters
    assert [c.writer for c in read] == [None, None]
    assert read[0].reader == Credentials(kubeconfig=inventory.kubeconfig_path(ClusterId("eu-1")), context="eu")
    assert read[1].reader == Credentials(), "in the pod that it runs in"
    written = config.load(executor.config_path, {}).clusters
    assert [c.reader for c in written] == [None, None]
    assert written[0].writer == Credentials(kubeconfig=executor.kubeconfig_path(ClusterId("eu-1")))
    assert inventory.kubeconfig_path(ClusterId("eu-1")).stat().st_mode & 0o077 == 0


def test_only_the_inventory_learns_whom_it_asks_and_by_which_secret(tmp_path: Path) -> None:
    password = tmp_path / "bmc.password"
    password.touch(mode=0o600)
    password.write_text("of-the-bmc")
    bmc = RedfishService(id="bmc-1", url="https://10.0.0.7", user="reader", password_file=password)
    made = issuing(tmp_path, sources=Sources(redfish=(bmc,)))
    made.issue(())
    found = {role: held(made.out / role, {"secret": b"of-the-bmc", "address": b"10.0.0.7"}) for role in EVERY}
    assert {role: what for role, what in found.items() if what} == {"inventory": {"secret", "address"}}
    inventory = StateDirectory(made.out / "inventory")
    (read,) = config.load(inventory.config_path, {}).sources.redfish
    assert read.password_file is not None
    assert passwords.read(read.password_file) == "of-the-bmc"
    assert made.out in read.password_file.parents
    password.chmod(0o644)
    with pytest.raises(Denied, match="chmod 600"):
        made.issue(())


def test_a_kubeconfig_that_is_not_there_is_told_by_its_cluster(tmp_path: Path) -> None:
    missing = Cluster(id=ClusterId("eu-1"), reader=Credentials(kubeconfig=tmp_path / "none"))
    made = issuing(tmp_path, clusters=(missing,))
    with pytest.raises(BadInput, match=r"clusters\.eu-1: .*none.*correct the path"):
        made.issue(())


def test_an_agent_gets_no_key_at_all(tmp_path: Path) -> None:
    made = issuing(tmp_path)
    (agent,) = made.issue(("agent",))
    files = [p for p in agent.rglob("*") if p.is_file()]
    assert not [p for p in files if b"PRIVATE KEY" in p.read_bytes() or p.suffix in {".key", ".secret", ".token"}]
    state = StateDirectory(agent)
    with pytest.raises(BadInput, match="issued to `agent` and cannot speak as `admin`"):
        state.nats_password("admin")
    with pytest.raises(BadInput, match="cannot speak as `postgres/gate`"):
        state.postgres_password("gate")


def test_where_checkpoints_are_in_nats_an_agent_has_no_database(tmp_path: Path) -> None:
    made = issuing(tmp_path, checkpoints="embedded")
    made.issue(())
    assert held(made.out / "agent", secrets_of(made.installation)) == {"nats agent"}


def test_an_address_with_a_user_goes_to_those_alone_who_use_the_store(tmp_path: Path) -> None:
    """Somebody's own arrangement: there is one password, and whoever never opens the ledger does not see it."""
    made = issuing(tmp_path, ledger="postgresql://arranged:by-hand@db/ledger")
    made.issue(())
    secrets = {"arranged": b"by-hand"}
    holders = {role for role in EVERY if held(made.out / role, secrets)}
    assert holders == {"gate", "executor-eu", "executor-us", "console"}


def test_only_the_console_knows_a_sender_by_its_token(tmp_path: Path) -> None:
    made = issuing(tmp_path)
    made.issue(())
    (channel,) = made.installation.config.channels
    assert channel.token_sha256 is not None
    digest = {"digest": channel.token_sha256.encode()}
    assert {role for role in EVERY if held(made.out / role, digest)} == {"console"}


def test_everything_issued_is_private(tmp_path: Path) -> None:
    made = issuing(tmp_path)
    made.issue(())
    for path in (p for role in EVERY for p in ((made.out / role), *(made.out / role).rglob("*"))):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_issuing_again_keeps_every_password(tmp_path: Path) -> None:
    """A process that runs goes on; what is new is added."""
    made = issuing(tmp_path)
    made.issue(())
    anew = {"nats.conf", "server.pem", "server.key"}
    before = {p: p.read_bytes() for p in made.out.rglob("*") if p.is_file() and p.name not in anew}
    made.issue(())
    assert {p: p.read_bytes() for p in before} == before


def test_every_role_knows_whom_the_servers_certificate_is_from_and_the_server_alone_has_one(tmp_path: Path) -> None:
    made = issuing(tmp_path, nats_url="tls://nats:4222,tls://10.0.0.7:4222")
    made.issue(())
    own = made.installation.state.authority_path.read_bytes()
    processes = [role for role in EVERY if role not in SERVERS]
    assert all(StateDirectory(made.out / role).authority_path.read_bytes() == own for role in processes)
    served = x509.load_pem_x509_certificate((made.out / "nats" / "server.pem").read_bytes())
    served.verify_directly_issued_by(x509.load_pem_x509_certificate(own))
    names = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["nats"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    assert "server.pem" in (made.out / "nats" / "nats.conf").read_text()


def test_whoever_has_an_authority_of_their_own_names_it_and_makes_the_servers_certificate_too(tmp_path: Path) -> None:
    mine = tmp_path / "mine.pem"
    with pytest.raises(BadInput, match=r"nats_authority: .*mine\.pem.*correct the path"):
        issuing(tmp_path, nats_authority=mine).issue(("agent",))
    mine.write_bytes(b"mine")
    made = issuing(tmp_path / "again", nats_authority=mine)
    agent, nats = made.issue(("agent", "nats"))
    assert StateDirectory(agent).authority_path.read_bytes() == b"mine"
    assert config.load(StateDirectory(agent).config_path, {}).nats_authority is None
    assert not (nats / "server.pem").exists()
    assert not made.installation.state.authority_path.exists()


def test_the_servers_configuration_holds_hashes_only(tmp_path: Path) -> None:
    made = issuing(tmp_path)
    (nats,) = made.issue(("nats",))
    text = (nats / "nats.conf").read_text()
    assert text.count('"password": "$2a$') == len(users(made.installation))
    assert 'listen: "0.0.0.0:4222"' in text
    assert listening("nats://127.0.0.1:4333") == "127.0.0.1:4333"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ledger": "sqlite"}, "SQLite ledger is one program's own"),
        ({"nats_url": None}, "--nats-url"),
        ({"checkpoints": "postgresql://postgres/ledger"}, "no agent may hold"),
        ({"checkpoints": "postgresql://postgres:5432/ledger"}, "name one database"),
        ({"ledger": "postgresql://postgres"}, "names no database"),
    ],
)
def test_what_cannot_work_apart_is_refused_before_anything_is_written(
    settings: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=named):
        issuing(tmp_path, **settings)
    assert not (tmp_path / "roles").exists()


def test_an_unknown_role_and_a_foreign_directory_are_refused(tmp_path: Path) -> None:
    made = issuing(tmp_path)
    with pytest.raises(BadInput, match=r"no role `executor-asia`.*executor-eu"):
        made.issue(("executor-asia",))
    (gate,) = made.issue(("gate",))
    gate.rename(made.out / "agent")
    with pytest.raises(BadInput, match="another role's"):
        made.issue(("agent",))


def test_a_part_cannot_issue_parts(tmp_path: Path) -> None:
    made = issuing(tmp_path)
    (gate,) = made.issue(("gate",))
    state = StateDirectory(gate)
    with pytest.raises(BadInput, match="issued to `gate`"):
        Issuing.of(state, config.load(state.config_path, {}), tmp_path / "more")


@pytest.mark.parametrize(
    ("directory", "process", "named"),
    [
        ("whole", "gate", "holds a whole installation.*placet issue"),
        ("roles/gate", "agent", "issued to `gate`"),
        ("roles/client", "console", "issued to `client`"),
    ],
)
async def test_a_process_starts_on_its_own_directory_only(
    directory: str, process: str, named: str, tmp_path: Path
) -> None:
    """On the whole one it would hold every secret of the installation."""
    issuing(tmp_path).issue(())
    state = StateDirectory(tmp_path / directory)
    with pytest.raises(BadInput, match=named):
        await serve(state, config.load(state.config_path, {}), frozenset({process}))


async def test_a_ledger_of_ones_own_is_refused_where_processes_share_one(tmp_path: Path) -> None:
    """Each would append to a file of its own, and a warrant would be single-use in none of them."""
    (gate,) = issuing(tmp_path).issue(("gate",))
    state = StateDirectory(gate)
    settings = config.load(state.config_path, {}, {"ledger": "sqlite"})
    with pytest.raises(BadInput, match="SQLite ledger is one program's own"):
        await serve(state, settings, frozenset({"gate"}))


async def test_a_part_is_not_run_as_the_whole(tmp_path: Path) -> None:
    (gate,) = issuing(tmp_path).issue(("gate",))
    state = StateDirectory(gate)
    with pytest.raises(BadInput, match="issued to `gate` alone; start it with `placet gate`"):
        await serve(state, config.load(state.config_path, {}), PROCESSES)


def test_a_stolen_directory_is_made_worthless_by_renewing_its_role_alone(tmp_path: Path) -> None:
    """Its passwords change everywhere; nobody else has to do anything."""
    made = issuing(tmp_path)
    made.issue(())
    before = secrets_of(made.installation)
    made.renew(("agent",))
    after = secrets_of(made.installation)
    assert {what for what in before if before[what] != after[what]} == {"nats agent", "postgres agent"}
    made.issue(("agent", "nats"))
    assert held(made.out / "agent", after) == OWN["agent"]
    assert held(made.out / "agent", before) == set()
