"""A signer whose key never leaves a key management service or a hardware token: any that securesystemslib knows.

`hv:` (HashiCorp Vault), `gcpkms:`, `awskms:`, `azurekms:`, `hsm:` and `file2:` for its own files; each needs the client
library of its service installed beside Placet. Refused: services that sign with anything but Ed25519 or ML-DSA-44, and
every signature that does not verify under the public key that was written down, so that a service that was pointed
elsewhere is found at its first word.

Signing is a call over the network: whoever serves others meanwhile makes it by `sealing.seal_soon`, in a thread and
with a deadline. The gate then decides no faster than its service signs, and still hears freezes and keeps its lease.
"""

from __future__ import annotations

from typing import Self

from securesystemslib.exceptions import Error as KmsError
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, SSlibKey
from securesystemslib.signer import Signer as SslSigner

from estate.errors import BadInput, RetryLater
from estate.ids import KeyId
from policies.keyrings import Algorithm, algorithm_of, is_signed, key_id_of

_SCHEMES = {Algorithm.ED25519: ("ed25519", "ed25519"), Algorithm.MLDSA44: ("ml-dsa", "ml-dsa-44/1")}


class KmsSigner:
    """One key of one service."""

    __slots__ = ("_key_id", "_public", "_signer")

    remote = True

    def __init__(self, signer: SslSigner, public_key: bytes | None = None) -> None:
        self._signer = signer
        self._public = public_key or _raw(signer.public_key)
        self._key_id = key_id_of(self._public)

    @classmethod
    def open(cls, uri: str, public_key: bytes) -> Self:
        """The key at `uri`, known by its raw public key.

        Raises:
            BadInput: no service of that kind is known, or its client library is not installed.
        """
        scheme = uri.partition(":")[0]
        if scheme not in SIGNER_FOR_URI_SCHEME:
            known = ", ".join(sorted(SIGNER_FOR_URI_SCHEME))
            raise BadInput(f"`{scheme}` is no key service that placet knows; there are {known}")
        try:
            return cls(SslSigner.from_priv_key_uri(uri, _described(public_key)), public_key)
        except UnsupportedLibraryError as error:
            raise BadInput(f"`{uri}` needs a library that is not installed: {error}") from error
        except Exception as error:
            raise BadInput(f"`{uri}` cannot be opened: {error}; correct the address") from error

    @property
    def key_id(self) -> KeyId:
        """The name of this key."""
        return self._key_id

    @property
    def public_key(self) -> bytes:
        """The raw public key."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The service's signature of `data`.

        Raises:
            RetryLater: the service does not answer, or answers with a signature of another key.
        """
        try:
            signature = bytes.fromhex(self._signer.sign(data).signature)
        except (KmsError, OSError, ValueError) as error:
            raise RetryLater(f"the key service did not sign: {error}") from error
        except Exception as error:
            # Each service's client raises what it likes.
            raise RetryLater(f"the key service did not sign: {type(error).__name__}: {error}") from error
        if not is_signed(self._key_id, self._public, signature, data):
            raise RetryLater(f"the key service signed with another key than `{self._key_id}`; look at its address")
        return signature


def _described(public_key: bytes) -> SSlibKey:
    """The public key as securesystemslib describes one."""
    name = key_id_of(public_key)
    keytype, scheme = _SCHEMES[algorithm_of(name)]
    return SSlibKey(name, keytype, scheme, {"public": public_key.hex()})


def _raw(key: object) -> bytes:
    """The raw public key of a service's own description. Raises BadInput: it signs in a way that nobody here reads."""
    if isinstance(key, SSlibKey) and (key.keytype, key.scheme) in _SCHEMES.values():
        return bytes.fromhex(key.keyval["public"])
    raise BadInput(f"`{getattr(key, 'scheme', '?')}` keys are not used here; make one of Ed25519 in the key service")
