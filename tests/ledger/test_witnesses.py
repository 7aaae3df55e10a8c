"""Somebody outside who remembers: forks, roll-backs and a stolen ledger key against witnesses.

The witness is the real one behind its real HTTP application, and a real Git repository.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import httpx
import pytest

from console.http.witnesses import application
from estate.errors import Denied
from policies.ledger import merkle, notes, proofs, verifying
from policies.ledger.git_witnesses import GitWitness
from policies.ledger.http_witnesses import HttpWitness
from policies.ledger.leaves import install_origin
from policies.ledger.memory import MemoryLedger
from policies.ledger.merkle import Head
from policies.ledger.notes import Checkpoint, Notary
from policies.ledger.port import Draft, EntryKind
from policies.ledger.signing import Signing
from policies.ledger.verifier_keys import VerifierKey, encode, ledger_key
from policies.ledger.witnesses import Shown, Witness, Witnesses
from policies.ledger.witnessing import Book, Cosigner, witness_key
from policies.signing.memory import MemoryMldsaSigner, MemorySigner
from tests.builders import INSTALLATION, START, TestClock, TestEntropy
from tests.ledger.conftest import PROPOSAL, SIGNER, Open, draft
from tests.ledger.test_verification import TOLD

LEDGER = ledger_key(INSTALLATION, SIGNER.public_key)
INSTALL = install_origin(INSTALLATION)
NOTARY = Notary(INSTALLATION, SIGNER)
SIGNERS = {
    "ed25519": MemorySigner.generate(TestEntropy("witness")),
    "mldsa44": MemoryMldsaSigner.generate(TestEntropy("witness")),
}


def cosigner(folder: Path, algorithm: str = "ed25519", clock: TestClock | None = None) -> Cosigner:
    """A witness of one ledger, over a book of its own."""
    signer = SIGNERS[algorithm]
    key = witness_key("witness.example/w1", signer)
    return Cosigner(key, signer, (LEDGER,), Book(folder / "book.sqlite"), clock or TestClock())


def over_http(cosigner: Cosigner) -> HttpWitness:
    """How a ledger reaches it."""
    return HttpWitness("http://witness.example", cosigner.key, httpx.ASGITransport(application(cosigner)))


def ledger(*witnesses: Witness, entropy: str = "salts") -> MemoryLedger:
    return MemoryLedger(
        INSTALLATION, signing=Signing.of(INSTALLATION, SIGNER, *witnesses), entropy=TestEntropy(entropy)
    )


def commanded(key: str) -> Draft:
    return draft(key, EntryKind.COMMANDED, proposal=None)


async def exported(ledger: MemoryLedger) -> list[bytes]:
    return [line async for line in ledger.export()]


@pytest.fixture(params=SIGNERS)
def witness(request: pytest.FixtureRequest, tmp_path: Path) -> Cosigner:
    """One of each algorithm."""
    return cosigner(tmp_path, request.param)


async def test_a_witnessed_export_and_proof_hold_under_both_keys(witness: Cosigner) -> None:
    one = ledger(over_http(witness))
    for told in TOLD[:5]:
        await one.append(told)
    await one.checkpoint()
    for told in TOLD[5:]:
        await one.append(told)
    report = verifying.verify(await exported(one), (LEDGER, witness.key))
    assert report.faults == ()
    assert report.keys == (LEDGER, witness.key)
    assert proofs.verify(await proofs.prove(one, PROPOSAL), (LEDGER, witness.key)).holds


async def test_a_thief_of_the_ledger_s_key_cannot_rewrite_what_was_witnessed(tmp_path: Path) -> None:
    """The one attack that no signature of ours can show: the whole ledger written anew, under the right key."""
    witness = cosigner(tmp_path)
    honest = ledger(over_http(witness))
    for number in range(7):
        await honest.append(commanded(f"k:{number}"))
    await honest.checkpoint()
    for theirs in (ledger(), ledger(over_http(witness))):
        for number in (0, 1, 2, 3, 9, 5, 6, 7):
            await theirs.append(commanded(f"k:{number}"))
        rewritten = await exported(theirs)
        assert verifying.verify(rewritten, (LEDGER,)).holds
        fault = verifying.verify(rewritten, (LEDGER, witness.key)).fault
        assert fault is not None
        assert "has not cosigned it" in fault.reason


async def test_an_older_export_is_not_what_the_witness_saw(tmp_path: Path) -> None:
    """Roll-back: everything in it is true, and the end is missing."""
    witness = cosigner(tmp_path)
    one = ledger(over_http(witness))
    await one.append(commanded("a"))
    (kept,) = [n for n in await one.checkpoint() if n.startswith(INSTALL)]
    old = await exported(one)
    await one.append(commanded("b"))
    (newer,) = [n for n in await one.checkpoint() if n.startswith(INSTALL)]
    assert verifying.verify(old, (LEDGER, witness.key), [kept]).holds
    fault = verifying.verify(old, (LEDGER, witness.key), [kept, newer]).fault
    assert fault is not None
    assert "cut off" in fault.reason


async def test_two_histories_that_were_shown_are_found_by_a_kept_checkpoint() -> None:
    """Split view: each of the two verifies alone."""
    one, other = ledger(entropy="one"), ledger(entropy="other")
    for side in (one, other):
        await side.append(commanded("a"))
        await side.append(commanded("b"))
    (kept,) = [n for n in await other.checkpoint() if n.startswith(INSTALL)]
    report = verifying.verify(await exported(one), (LEDGER,), [kept])
    assert [f.reason for f in report.faults] == [
        "a checkpoint of 2 entries was kept with another root; two histories were shown"
    ]


# -- the protocol, answer by answer


def note(size: int, root: bytes = b"r" * 32, origin: str = INSTALL, notary: Notary = NOTARY) -> str:
    return notary.sign(Checkpoint(origin, Head(size, root)))


def asked(old: int, note: str, proof: tuple[bytes, ...] = ()) -> bytes:
    return (f"old {old}\n" + "".join(f"{encode(h)}\n" for h in proof) + f"\n{note}").encode()


def test_each_refusal_has_the_status_of_the_standard(tmp_path: Path) -> None:
    witness = cosigner(tmp_path)
    stranger = Notary(INSTALLATION, MemorySigner.generate(TestEntropy("stranger")))
    assert witness.add_checkpoint(asked(0, note(5))).status == 200
    for body, status in (
        (b"", 400),
        (b"old 05\n\n" + note(5).encode(), 400),
        (b"old 5\n?\n\n" + note(6).encode(), 400),
        (asked(5, "no note\n"), 400),
        (asked(7, note(6)), 400),
        (asked(5, note(6, origin="placet/other/install")), 404),
        (asked(5, note(6, notary=stranger)), 403),
        (asked(5, note(6, origin="placet/test/install", notary=stranger)), 403),
        (asked(4, note(6)), 409),
        (asked(5, note(5, b"s" * 32)), 409),
        (asked(5, note(6)), 422),
        (asked(5, note(6), (b"p" * 32,)), 422),
    ):
        answer = witness.add_checkpoint(body)
        assert answer.status == status, (body, answer)
        if status == 409:
            assert (answer.body, answer.media) == ("5\n", "text/x.tlog.size")
    assert witness.add_checkpoint(asked(5, note(5))).status == 200
    assert witness.book.notes() == (note(5),)


def test_what_a_witness_signed_is_a_dated_statement_of_the_standard(witness: Cosigner) -> None:
    """The line verifies under the witness's key alone, and under no ledger's."""
    answer = witness.add_checkpoint(asked(0, note(5)))
    assert notes.cosigned(note(5), answer.body, witness.key) == answer.body
    opened = notes.open_checkpoint(note(5) + answer.body, [LEDGER, witness.key])
    assert opened.signers == (LEDGER, witness.key)
    with pytest.raises(Denied, match="nobody trusted"):
        notes.open_checkpoint(note(5) + answer.body, [witness.key])
    with pytest.raises(Denied, match="does not fit"):
        notes.open_checkpoint(note(6) + answer.body, [LEDGER, witness.key])
    assert str(VerifierKey.parse(str(witness.key))) == str(witness.key)


async def test_of_racing_checkpoints_a_witness_never_goes_back(tmp_path: Path) -> None:
    """Two processes over one book, as the standard warns of: whoever is later cannot roll the other back."""
    one, other = cosigner(tmp_path), cosigner(tmp_path)
    bodies = [asked(0, note(size)) for size in range(1, 9)]
    answers = await asyncio.gather(
        *(asyncio.to_thread((one, other)[i % 2].add_checkpoint, body) for i, body in enumerate(bodies))
    )
    assert sorted(a.status for a in answers) == [200] + [409] * 7
    assert {a.body for a in answers if a.status == 409} == {f"{notes.read_checkpoint(one.book.notes()[0]).head.size}\n"}


# -- witnesses that fail


class Broken:
    """A witness with a fault of its own."""

    name = "broken"

    async def show(self, shown: Shown) -> str:
        raise ZeroDivisionError


async def test_a_witness_that_is_away_delays_nobody_and_its_absence_is_found(tmp_path: Path) -> None:
    here, away = cosigner(tmp_path), cosigner(tmp_path)
    nowhere = HttpWitness("http://127.0.0.1:9", VerifierKey("w2", away.key.public_key, away.key.scheme))
    one = ledger(over_http(here), nowhere, Broken())
    await one.append(commanded("a"))
    export = await exported(one)
    assert verifying.verify(export, (LEDGER, here.key)).holds
    absent = VerifierKey("w2", away.key.public_key, away.key.scheme)
    assert "witness `w2` has not" in str(verifying.verify(export, (LEDGER, absent)).fault)


async def test_what_witnesses_signed_is_kept_and_a_restarted_ledger_finds_them_where_they_were(
    reopened: Open, tmp_path: Path
) -> None:
    """It forgot what it showed; the protocol tells it. On each kind of storage."""
    witness = cosigner(tmp_path)
    one = await reopened(Signing.of(INSTALLATION, SIGNER, over_http(witness)))
    for number in range(5):
        await one.append(commanded(f"k:{number}"))
        await one.checkpoint()
    again = await reopened(Signing.of(INSTALLATION, SIGNER, over_http(witness)))
    await again.append(commanded("last"))
    export = [line async for line in again.export()]
    assert verifying.verify(export, (LEDGER, witness.key)).holds
    kept = [line for line in export if b'"checkpoint"' in line and b"witness.example/w1" in line]
    assert len(kept) == 6


async def test_concurrent_checkpoints_are_shown_in_order(tmp_path: Path) -> None:
    witness = cosigner(tmp_path)
    one = ledger(over_http(witness))

    async def grown(number: int) -> None:
        await one.append(commanded(f"k:{number}"))
        await one.checkpoint()

    await asyncio.gather(*(grown(n) for n in range(6)))
    assert verifying.verify(await exported(one), (LEDGER, witness.key)).holds


# -- a Git repository


def git(*arguments: str, folder: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository, as a host keeps it."""
    folder = tmp_path / "checkpoints.git"
    folder.mkdir()
    git("init", "--quiet", "--bare", "--initial-branch=main", folder=folder)
    return folder


async def test_a_repository_keeps_every_checkpoint_and_takes_no_other_history(repository: Path, tmp_path: Path) -> None:
    one = ledger(GitWitness(str(repository), tmp_path / "ours"))
    for number in range(3):
        await one.append(commanded(f"k:{number}"))
        await one.checkpoint()
    await one.checkpoint()
    git("clone", "--quiet", str(repository), str(tmp_path / "theirs"), folder=tmp_path)
    kept = sorted((tmp_path / "theirs").rglob("*.checkpoint"))
    assert [int(p.stem) for p in kept] == [1, 2, 3]
    seen = [p.read_text() for p in kept]
    assert verifying.verify(await exported(one), (LEDGER,), seen).holds

    rewritten = ledger(entropy="thief")
    for number in range(4):
        await rewritten.append(commanded(f"k:{number}"))
    assert not verifying.verify(await exported(rewritten), (LEDGER,), seen).holds
    (forged,) = [n for n in await rewritten.checkpoint() if n.startswith(INSTALL)]

    async def prove(old: int) -> tuple[bytes, ...]:
        return await rewritten.hashes(INSTALL, merkle.consistency(old, 4))

    thief = GitWitness(str(repository), tmp_path / "thief's")
    with pytest.raises(Denied, match="another log of 3 entries"):
        await thief.show(Shown(forged, notes.read_checkpoint(forged), prove))
    assert git("rev-list", "--count", "main", folder=repository).strip() == "3"


async def test_a_repository_that_is_gone_is_a_passing_fault(tmp_path: Path) -> None:
    one = ledger(GitWitness(str(tmp_path / "nowhere"), tmp_path / "ours"))
    await one.append(commanded("a"))
    assert verifying.verify(await exported(one), (LEDGER,)).holds


async def test_nobody_is_shown_an_empty_ledger() -> None:
    """Its root is everybody's; a witness would have to begin at nothing again."""
    shown = Shown(note(0), Checkpoint(INSTALL, Head(0, merkle.EMPTY_ROOT)), lambda old: asyncio.sleep(0, ()))
    assert await Witnesses((Broken(),)).show(shown) == ()


def test_the_time_of_a_cosignature_is_the_witness_s_own(tmp_path: Path) -> None:
    line = cosigner(tmp_path).add_checkpoint(asked(0, note(5))).body
    data = notes._signature(line.removesuffix("\n"))[1]
    assert int.from_bytes(data[4:12]) == int(START.timestamp())
