"""`placet policy prove|diff|test|mutate|replay`: what a law guarantees, and what another would do. Offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import policies
from console.cli.invocations import Output, OutputOption

if TYPE_CHECKING:
    from estate.canonical import Json
    from policies.bundle import Bundle
    from policies.proving.proofs import Claim

app = policies.app
Rules = Annotated[Path | None, typer.Argument(help="A folder of rules; the shipped ones by default.")]


@app.command()
def prove(rules: Rules = None, output: OutputOption = Output.TABLE) -> None:
    """Prove over the whole of the rules that what must never be permitted is not, whatever is asked and stored.

    A claim that does not hold is shown with a request that breaks it, which Cedar itself has answered. Exits with 3 if
    any claim does not hold, with 2 if the rules cannot be read or say what the proofs do not understand.

    Examples: `placet policy prove` · `placet policy prove ./rules -o json`
    """
    from console.cli.rendering import emit, note
    from policies.proving.laws import Law
    from policies.proving.proofs import prove as proved

    law = Law.of(_bundle(rules))
    found = proved(law, _tell)
    if output is Output.TABLE:
        rows: list[Json] = [c.json_form() for c in found.claims]
        emit(rows, output, ("name", "holds", "milliseconds", "says"))
        for claim in found.broken:
            note(f"{claim.name}: {claim.why}")
            emit(claim.counterexample, Output.YAML)
    else:
        emit(found.json_form() | {"holds": found.holds}, output)
    note(f"{len(law.policies)} policies, {len(found.claims)} claims, {found.milliseconds:.0f} ms")
    raise typer.Exit(0 if found.holds else 3)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A folder of rules.")],
    new: Annotated[Path, typer.Argument(help="Another.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what another law would newly permit, newly ask approvals for and newly forbid, each with an example.

    Every example was answered by Cedar under both. Exits with 1 if there is a difference, as `diff` does.

    Example: `placet policy diff rules-of-june rules-of-july`
    """
    from console.cli.rendering import emit, note
    from policies.proving.differences import differences
    from policies.proving.laws import Law

    found = list(differences(Law.of(_bundle(old)), Law.of(_bundle(new))))
    rows: list[Json] = [{"newly": d.newly, **d.json_form()} for d in found]
    if output is Output.TABLE:
        emit(rows, output, ("actions", "newly", "was", "now", "policies"))
        for each in found:
            note(f"{', '.join(each.actions)}: {each.was.value} before, {each.now.value} now, for instance {each.why}")
            emit(each.request, Output.YAML)
    else:
        emit(rows, output)
    note("the two laws answer every request alike" if not found else f"{len(found)} differences")
    raise typer.Exit(1 if found else 0)


@app.command("test")
def run_cases(rules: Rules = None, output: OutputOption = Output.TABLE) -> None:
    """Run the cases beside the rules (`cases/*.yaml`; `placet schema policy-cases`). Exits with 1 if one fails.

    Example: `placet policy test ./rules`
    """
    from console.cli.rendering import emit, note
    from console.policing import tried

    found = tried(_bundle(rules), rules)
    failed = [t for t in found if not t.passes]
    shown = found if output is not Output.TABLE else failed
    rows: list[Json] = [t.json_form() for t in shown]
    if rows or output is not Output.TABLE:
        emit(rows, output, ("says", "expect", "found", "by", "why"))
    note(f"{len(found)} cases, {len(failed)} failed")
    raise typer.Exit(1 if failed else 0)


@app.command()
def mutate(rules: Rules = None, output: OutputOption = Output.TABLE) -> None:
    """Take every guard of tier 0 away, one at a time: a proof or a case must notice, or it is redundant.

    Exits with 1 if the loss of a guard would go unnoticed.

    Example: `placet policy mutate -o json`
    """
    from console.cli.rendering import emit, note
    from console.policing import noticing
    from policies.proving.laws import Law
    from policies.proving.mutations import report

    bundle = _bundle(rules)
    found = list(report(Law.of(bundle), noticing(bundle, rules)))
    unnoticed = [m for m in found if not m.noticed]
    rows: list[Json] = [{**m.json_form(), "noticed": m.noticed} for m in found]
    emit(rows, output, ("policy", "noticed", "invariant", "case", "redundant", "lost"))
    redundant = sum(m.redundant for m in found)
    note(f"{len(found)} guards taken away, {redundant} of them redundant, {len(unnoticed)} unnoticed")
    raise typer.Exit(1 if unnoticed else 0)


@app.command()
def replay(
    ledger: Annotated[Path, typer.Argument(help="An exported ledger (`placet ledger export`).")],
    candidate: Annotated[Path, typer.Option(help="A folder of rules that are not in force yet.")],
    last: Annotated[int, typer.Option(min=1, help="The newest so many decisions.")] = 1000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask other rules what was decided before, on what was read then: which decisions would flip.

    What only the kernel objected to stays forbidden. Exits with 1 if a decision would flip.

    Example: `placet ledger export l.export && placet policy replay l.export --candidate ./rules --last 500`
    """
    from console.cli.rendering import emit, note
    from estate.errors import BadInput
    from policies.replaying import decisions
    from policies.replaying import replay as replayed

    try:
        with ledger.open("rb") as lines:
            bodies = decisions(lines, last)
    except OSError as error:
        raise BadInput(f"`{ledger}` cannot be read ({error.strerror}); export one first") from error
    found = replayed(bodies, _bundle(candidate))
    flips = [r for r in found if r.flips or r.now is None]
    rows: list[Json] = [r.json_form() for r in (flips if output is Output.TABLE else found)]
    if rows or output is not Output.TABLE:
        emit(rows, output, ("incident", "decided_at", "was", "now", "policies", "why"))
    note(
        f"{len(found)} decisions, {sum(r.flips for r in found)} would flip, {sum(r.now is None for r in found)} unknown"
    )
    raise typer.Exit(1 if any(r.flips for r in found) else 0)


def _bundle(rules: Path | None) -> Bundle:
    from policies.bundle import Bundle

    return Bundle.load(rules)


def _tell(claim: Claim) -> None:
    from console.cli.rendering import note

    note(f"{'proved' if claim.holds else 'BROKEN'}: {claim.says} ({claim.milliseconds:.0f} ms)")
