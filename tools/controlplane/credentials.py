"""Who may speak to a control plane of one's own: a certificate authority, service-account keys, tokens, kubeconfigs.

Called by `launching`. Everything secret is written with mode 0600, below a folder of mode 0700; nothing here is ever
meant for a cluster that holds anything of value.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MASTERS = "system:masters"
_VALID = timedelta(days=30)
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody the API server knows. `token` is empty for those who come with a certificate."""

    user: str
    kubeconfig: Path
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate authority of one control plane, and the files it keeps in `folder`."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """The certificate that clients trust."""
        return self.folder / "ca.crt"

    @property
    def server_files(self) -> tuple[Path, Path]:
        """Certificate and key that every component serves loopback with."""
        return self.folder / "server.crt", self.folder / "server.key"

    @property
    def service_account_files(self) -> tuple[Path, Path]:
        """Public and private key of service-account tokens."""
        return self.folder / "sa.pub", self.folder / "sa.key"

    @property
    def token_file(self) -> Path:
        """The tokens that the API server knows from its start."""
        return self.folder / "tokens.csv"

    def found(self, users: Sequence[tuple[str, str]]) -> None:
        """Write what is missing: authority, serving certificate, service-account keys, a token per (user, group)."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.token_file.exists():
            return
        self._write_authority()
        self._write_serving_certificate()
        public, private = self.service_account_files
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(private, _key_text(key))
        write_private(public, _public_text(key))
        lines = [f'{secrets.token_urlsafe(24)},{user},{user},"{group}"' for user, group in users]
        write_private(self.token_file, "\n".join(lines) + "\n")

    def token(self, user: str) -> str:
        """The token of a user that `found` was given."""
        rows = [line.split(",") for line in self.token_file.read_text().splitlines()]
        return next(row[0] for row in rows if row[1] == user)

    def with_token(self, user: str, token: str, server: str) -> Identity:
        """A kubeconfig that speaks with a bearer token."""
        return Identity(user, self._kubeconfig(user, server, {"token": token}), token)

    def with_certificate(self, user: str, groups: Sequence[str], server: str, lifetime: timedelta) -> Identity:
        """A kubeconfig that speaks with a client certificate for `user` in `groups`."""
        names = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(x509.Name(names), key, lifetime, ExtendedKeyUsageOID.CLIENT_AUTH)
        stem = self.folder / _file_name(user)
        write_private(stem.with_name(f"{stem.name}.crt"), _certificate_text(certificate))
        write_private(stem.with_name(f"{stem.name}.key"), _key_text(key))
        files = {"client-certificate": f"{stem}.crt", "client-key": f"{stem}.key"}
        return Identity(user, self._kubeconfig(user, server, files))

    def _kubeconfig(self, user: str, server: str, credential: dict[str, str]) -> Path:
        form = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority": str(self.ca_file)}}],
            "users": [{"name": user, "user": credential}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
            "current-context": "local",
        }
        path = self.folder / f"{_file_name(user)}.kubeconfig"
        write_private(path, json.dumps(form, indent=1))
        return path

    def _write_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "placet control plane")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _unsigned(name, name, key, _VALID)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        write_private(self.folder / "ca.key", _key_text(key))
        write_private(self.ca_file, _certificate_text(certificate))

    def _write_serving_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        certificate = self._signed(name, key, _VALID, ExtendedKeyUsageOID.SERVER_AUTH)
        at, key_at = self.server_files
        write_private(key_at, _key_text(key))
        write_private(at, _certificate_text(certificate))

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta, usage: x509.ObjectIdentifier
    ) -> x509.Certificate:
        issuer = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        signer = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        builder = _unsigned(name, issuer.subject, key, lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        loopback = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(loopback), critical=False)
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        return builder.add_extension(known, critical=False).sign(signer, hashes.SHA256())


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file of mode 0600, never half written."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _SKEW).not_valid_after(now + lifetime)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    pem, kind, open_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, kind, open_).decode()


def _public_text(key: ec.EllipticCurvePrivateKey) -> str:
    pem, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(pem, kind).decode()


def _certificate_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _file_name(user: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.-]", "_", user)
