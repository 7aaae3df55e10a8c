"""The Signer contract, on a key in memory and on a key in a file."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from securesystemslib.signer import CryptoSigner

from estate.errors import BadInput
from estate.ids import KeyId
from policies.keyrings import StaticRing, is_signed, key_id_of
from policies.signing.files import FileSigner, MldsaFileSigner
from policies.signing.kms import KmsSigner
from policies.signing.memory import MemoryMldsaSigner, MemorySigner
from policies.signing.port import Signer


@pytest.fixture(params=["memory", "file", "memory-mldsa44", "file-mldsa44", "kms"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Signer]:
    """Makes a new signer each time."""
    made: dict[str, Callable[[], Signer]] = {
        "memory": lambda: MemorySigner.generate(secrets.token_bytes),
        "file": lambda: FileSigner.create(tmp_path / secrets.token_hex(4)),
        "memory-mldsa44": lambda: MemoryMldsaSigner.generate(secrets.token_bytes),
        "file-mldsa44": lambda: MldsaFileSigner.create(tmp_path / secrets.token_hex(4)),
        "kms": lambda: KmsSigner(CryptoSigner.generate_ed25519()),
    }
    return made[request.param]


def test_a_signature_is_verified_by_the_public_key_and_by_no_other(make: Callable[[], Signer]) -> None:
    one, other = make(), make()
    signature = one.sign(b"data")
    assert is_signed(one.key_id, one.public_key, signature, b"data")
    assert not is_signed(one.key_id, other.public_key, signature, b"data")
    assert not is_signed(one.key_id, one.public_key, signature, b"date")


def test_a_key_is_named_by_its_public_half(make: Callable[[], Signer]) -> None:
    one, other = make(), make()
    assert one.key_id == key_id_of(one.public_key) != other.key_id
    assert re.fullmatch("(ed25519|mldsa44):[0-9a-f]{16}", one.key_id)


def test_a_signer_never_shows_its_key(make: Callable[[], Signer]) -> None:
    assert {name for name in dir(make()) if not name.startswith("_")} - {"create", "load", "generate", "open"} == {
        "key_id",
        "public_key",
        "remote",
        "sign",
    }


def test_a_key_file_is_private_and_comes_back_the_same(tmp_path: Path) -> None:
    made = FileSigner.create(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert FileSigner.load(tmp_path / "key").key_id == made.key_id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o666])
def test_a_key_file_that_others_may_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    FileSigner.create(path)
    path.chmod(mode)
    with pytest.raises(BadInput, match=f"chmod 600 {path}"):
        FileSigner.load(path)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    FileSigner.create(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(BadInput, match="never overwritten"):
        FileSigner.create(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before


def test_a_missing_folder_or_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    foreign = generate_private_key(SECP256R1()).private_bytes(serialization.Encoding.PEM, *private)
    for name, content in (("text", b"hello"), ("p256", foreign)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(BadInput, match=name):
            FileSigner.load(tmp_path / name)
    with pytest.raises(BadInput, match="placet init"):
        FileSigner.load(tmp_path / "missing")
    with pytest.raises(BadInput, match="check its directory"):
        FileSigner.create(tmp_path / "nowhere" / "key")
    with pytest.raises(BadInput, match="regular file"):
        FileSigner.load(tmp_path)


def test_a_ring_refuses_a_key_under_a_foreign_name() -> None:
    """A short key id that could be pinned on another key would make every check by id worthless."""
    one, other = (MemorySigner.generate(secrets.token_bytes) for _ in range(2))
    assert StaticRing.of(one.public_key).public_key(one.key_id) == one.public_key
    assert StaticRing.of(one.public_key).public_key(other.key_id) is None
    with pytest.raises(BadInput, match="does not name"):
        StaticRing({one.key_id: other.public_key})
    with pytest.raises(BadInput, match="does not name"):
        StaticRing({KeyId("ed25519:" + "0" * 16): b"short"})
