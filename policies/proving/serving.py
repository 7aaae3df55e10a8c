"""A bundle that is to be served: loaded, and proved, or refused.

Called by gate and executor when they start. A proof that holds is kept in a folder under the digest of the bundle and
of the proofs themselves, so that a start costs one small file; what is not there, or not readable, is proved again.
The solver is imported only then.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import structlog

from estate import canonical
from estate.errors import BadInput
from policies.bundle import Bundle

if TYPE_CHECKING:
    from policies.proving.proofs import Proof

_TURN: Final = Lock()
"""Protects the solver, which is one for the whole process: gate and executor of one process start side by side."""
log = structlog.get_logger(__name__)


class Unproved(BadInput):
    """A bundle that nobody may serve: something that must never be permitted may be."""


def proved(bundle: Bundle, proofs: Path) -> Bundle:
    """`bundle`, which is proved now unless `proofs` holds a proof of it.

    Raises:
        Unproved: a claim does not hold.
        BadInput: the proofs do not understand the bundle.
    """
    kept = proofs / f"{_key(bundle)}.json"
    with _TURN:
        if _holds(kept, bundle):
            return bundle
        proof = _prove(bundle)
    if not proof.holds:
        first = proof.broken[0]
        raise Unproved(f"the rules are not served: {first.says}; {first.why}; see `placet policy prove`")
    log.debug("bundle proved", bundle=bundle.digest, claims=len(proof.claims), milliseconds=round(proof.milliseconds))
    _keep(kept, proof)
    return bundle


def _prove(bundle: Bundle) -> Proof:
    from policies.proving.laws import Law
    from policies.proving.proofs import prove

    return prove(Law.of(bundle))


def _holds(kept: Path, bundle: Bundle) -> bool:
    with suppress(OSError, BadInput):
        form = canonical.loads(kept.read_bytes())
        return isinstance(form, dict) and form == {"bundle": bundle.digest, "holds": True}
    return False


def _keep(kept: Path, proof: Proof) -> None:
    """Put it there whole or not at all; a folder that cannot be written costs the next start a proof."""
    with suppress(OSError):
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
            file.write(canonical.dumps({"bundle": proof.bundle, "holds": proof.holds}))
        os.replace(file.name, kept)


def _key(bundle: Bundle) -> str:
    return hashlib.sha256(f"{bundle.digest} {_prover()}".encode()).hexdigest()[:32]


@cache
def _prover() -> str:
    """What would prove it: our own text, the solver and Cedar."""
    texts = [p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py"))]
    parts = [hashlib.sha256(b"\0".join(texts)).hexdigest(), version("z3-solver"), version("cedarpy")]
    return " ".join(parts)
