"""The settings of sources: what does not fit is refused with what to do, and no secret that others can read is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from console import config
from estate.errors import BadInput, Denied
from tests.asking.hearing import kept_secret, now
from tests.asking.services import Bmc, served, tree
from tools.inventory.asking import passwords, registry
from tools.inventory.asking.settings import RedfishService, Settings, Text, WatchedFile

BMC = "id: bmc-1, url: 'https://10.0.0.7'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redfish: [{id: a, url: ftp://x}]", "`ftp://x` is no address; write it as `https://host:port`"),
        ("redfish: [{id: a, url: 'https://me:secret@x'}]", "holds a user"),
        ("redfish: [{id: A B, url: 'https://x'}]", "sources.redfish.0.id"),
        (f"redfish: [{{{BMC}, user: reader}}]", "`bmc-1` has one of `user` and `password_file`"),
        (f"redfish: [{{{BMC}}}, {{{BMC}}}]", "redfish: `bmc-1` is there twice; keep one"),
        (f"redfish: [{{{BMC}, password: secret}}]", "sources.redfish.0.password"),
        (f"redfish: [{{{BMC}, manages: eu-a1}}]", "`eu-a1` is not a reference; write it as `rack/eu-a`"),
        (f"redfish: [{{{BMC}, paths: {{Chassis: node/eu-a1}}}}]", "`Chassis` is no Redfish path"),
        (
            "redfish: [{id: a, url: 'http://bmc', user: u, password_file: p}]",
            "for all to read; write it with `https://`",
        ),
        ("prometheus: [{id: a, url: 'https://x', every_seconds: 0}]", "sources.prometheus.0.every_seconds"),
        ("files: [{id: a, path: x, format: pdf}]", "sources.files.0.format"),
        ("files: [{id: a, path: x, format: cloud}, {id: b, path: x, format: cloud}]", "files: `x` is there twice"),
        ("files: [{id: a, path: x, format: cloud, micro_usd: {euro: 1}}]", "micro_usd"),
        ("logs: [{id: a, path: x, format: fabric-manager}]", "`a`: fabric manager's lines name no machine"),
        ("snmp: []", "sources.snmp"),
    ],
)
def test_a_fault_names_the_field_and_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "placet.yaml"
    file.write_text(f"sources: {{{text}}}\n")
    with pytest.raises(BadInput) as caught:
        config.load(file, {})
    assert said in str(caught.value)
    assert "me:secret" not in str(caught.value)


def test_the_schema_teaches_every_kind_of_source_and_format() -> None:
    known = config.schema()["$defs"]
    assert {"RedfishService", "PrometheusServer", "WatchedFile"} <= known.keys()
    assert "infiniband" in known["Text"]["enum"]


@pytest.mark.parametrize(
    ("mode", "body", "said"),
    [
        (0o644, b"secret\n", "chmod 600"),
        (0o600, b"", "is not one line"),
        (0o600, b"two\nlines\n", "is not one line"),
        (0o600, b"\xff\xfe", "is not UTF-8"),
        (None, b"", "cannot be read"),
    ],
)
def test_a_secret_that_others_can_read_or_that_is_none_is_refused(
    tmp_path: Path, mode: int | None, body: bytes, said: str
) -> None:
    file = tmp_path / "bmc.password"
    if mode is not None:
        file.write_bytes(body)
        file.chmod(mode)
    with pytest.raises(Denied) as caught:
        passwords.read(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


async def test_each_target_is_tried_once_and_says_why_it_does_not_answer(tmp_path: Path) -> None:
    """What `placet doctor` shows: one that answers, one that refuses us, one that is not there, a missing file."""
    shared = tmp_path / "shared.password"
    shared.write_text("secret")
    shared.chmod(0o644)
    async with served(Bmc.of(tree())) as bmc:
        account = {"url": bmc.url, "user": "reader"}
        settings = Settings(
            redfish=(
                RedfishService(id="well", password_file=kept_secret("secret"), **account),
                RedfishService(id="wrong", password_file=kept_secret("guess"), **account),
                RedfishService(id="open", password_file=shared, **account),
                RedfishService(id="gone", url="http://127.0.0.1:9"),
            ),
            files=(WatchedFile(id="prices", path=tmp_path / "prices.json", format=Text.CLOUD),),
        )
        with capture_logs():
            found = await registry.tried(settings, now)
    assert not found["redfish/well"].failure
    assert found["redfish/well"].facts
    assert "correct the credentials" in found["redfish/wrong"].failure
    assert "chmod 600" in found["redfish/open"].failure
    assert "cannot be reached" in found["redfish/gone"].failure
    assert "No such file" in found["files/prices"].failure
    assert bmc.tokens == set(), "no session is left behind"
