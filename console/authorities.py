"""The certificate authority of one installation: by it its processes know their NATS server, and trust no other.

Made by `placet issue` where the whole installation lies, which its key never leaves. Each issue of the server's
directory makes it a new certificate for the names by which the settings reach it. Whoever runs a server under an
authority of their own names that one (`nats_authority`), and nothing is made here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from console.installations import Installation
from console.state import StateDirectory, write_private
from estate.errors import BadInput

_LASTS: Final = timedelta(days=3650)
SERVES: Final = timedelta(days=397)
"""How long a server's certificate is good: `placet doctor` says when it ends soon."""
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates for servers."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, state: StateDirectory, name: str, now: datetime) -> Authority:
        """The one that lies there, or a new one."""
        if state.authority_key_path.exists():
            key = serialization.load_pem_private_key(state.authority_key_path.read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey), "made here, and nowhere else"
            return cls(x509.load_pem_x509_certificate(state.authority_path.read_bytes()), key)
        made = cls._made(name, now)
        StateDirectory(state.authority_path.parent).make_private()
        write_private(state.authority_path, made.certificate.public_bytes(serialization.Encoding.PEM))
        write_private(state.authority_key_path, _pem(made.key))
        return made

    @classmethod
    def _made(cls, name: str, now: datetime) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(f"placet {name}")
        begun = _begun(subject, subject, key.public_key(), now, _LASTS)
        begun = begun.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        begun = begun.add_extension(_usage(signs_certificates=True), critical=True)
        begun = begun.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(begun.sign(key, hashes.SHA256()), key)

    def serving(self, hosts: tuple[str, ...], now: datetime) -> tuple[bytes, bytes]:
        """A certificate for a server of these names or addresses, and its key; both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        begun = _begun(_named(hosts[0]), self.certificate.subject, key.public_key(), now, SERVES)
        begun = begun.add_extension(x509.SubjectAlternativeName([_alternative(h) for h in hosts]), critical=False)
        begun = begun.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        of = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        begun = begun.add_extension(of, critical=False)
        begun = begun.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        signed = begun.add_extension(_usage(signs_certificates=False), critical=True).sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM), _pem(key)


def secured(url: str | None) -> bool:
    """Whether connections to that address are TLS's."""
    return url is not None and urlsplit(url).scheme == "tls"


def hosts_of(url: str) -> tuple[str, ...]:
    """The names or addresses by which a server is reached there."""
    parts = (urlsplit(part if "://" in part else f"tls://{part}") for part in url.split(","))
    return tuple(dict.fromkeys(p.hostname or "127.0.0.1" for p in parts))


def trusted(installation: Installation, url: str) -> Path | None:
    """The file of the authorities that the server's certificate must come from; None where no TLS is spoken.

    Raises:
        BadInput: TLS is spoken, and there is no such file.
    """
    if not secured(url):
        return None
    found = installation.config.nats_authority or installation.state.authority_path
    if not found.exists():
        raise BadInput(f"`{url}` needs `{found}`, which is missing; run `placet issue`, or name `nats_authority`")
    return found


def ends(certificate: bytes) -> datetime:
    """Until when a certificate is good."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    found = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    found = found.serial_number(x509.random_serial_number())
    return found.not_valid_before(now - _SKEW).not_valid_after(now + lasts)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())
