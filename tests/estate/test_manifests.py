"""What may be applied at all, what a change of an object does to the estate, and what undoes it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estate import manifests
from estate.approvals import diff_line
from estate.changes import adapter
from estate.conditions import misses
from estate.effects import effect, lay_out
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import ObjectId, Uid
from estate.manifests import KINDS, LARGEST, Address
from estate.objects import ABSENT, Sighting
from estate.records import explain
from estate.results import Ok, Refusal, RefusalCode
from estate.worlds import ChangeFile
from tests import builders
from tests.objects import apply, delete, manifest

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
DATA = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), TEXTS, min_size=1, max_size=4)
CONFIGS = DATA.map(lambda data: manifest(data=data))


def refused(form: dict[str, Any]) -> str:
    """The reason for which a manifest is refused where it is read."""
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python({"kind": "ApplyManifest", "cluster": "eu-1", "manifest": form})
    return explain(caught.value)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("Secret", "secret data never enters a proposal"),
        ("Deployment", "use MoveWorkload, CopyWorkload or ScaleWorkload"),
        ("Pod", "use MoveWorkload, CopyWorkload or ScaleWorkload"),
        ("ClusterRoleBinding", "it grants rights"),
        ("ValidatingWebhookConfiguration", "changes what the cluster accepts"),
        ("CustomResourceDefinition", "changes what the cluster accepts"),
        ("Namespace", "signed facts"),
        ("PriorityClass", "only these are applied"),
    ],
)
def test_what_runs_or_grants_is_refused_with_its_reason(kind: str, reason: str) -> None:
    assert reason in refused({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "tenant-a"}})


def test_a_refused_secret_is_not_repeated_in_the_error() -> None:
    """An error is printed and logged; what it refuses because it is secret must not stand in it."""
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter2"}}
    changes = [{"kind": "ApplyManifest", "cluster": "eu-1", "manifest": secret}]
    with pytest.raises(BadInput) as caught:
        ChangeFile.read({"kind": "placet.change-file", "v": 1, "summary": "no", "changes": changes})
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (manifest() | {"apiVersion": "v2"}, "is of `v1`"),
        (manifest() | {"spec": {}}, "states only"),
        ({k: v for k, v in manifest().items() if k != "data"}, "states nothing"),
        (manifest(namespace="Tenant_A"), "metadata.namespace"),
        (manifest(name="a/b"), "metadata.name"),
        (manifest(annotations={"placet.dev/warrant": "x"}), "only placet writes"),
        (manifest(data={"key": "-----BEGIN EC PRIVATE KEY-----"}), "a private key"),
        (manifest(data={"a": "x" * LARGEST}), "split it"),
        (manifest(data={"a": 5}), "write text"),
        (manifest("Service", spec={"type": None}), "`null` states nothing"),
        (manifest() | {"metadata": {"name": "x", "namespace": "y", "ownerReferences": []}}, "only name"),
        (manifest(data={"a": "\u202e"}), "bidirectional"),
    ],
)
def test_a_manifest_that_cannot_be_applied_as_it_is_is_refused_where_it_is_read(
    form: dict[str, Any], reason: str
) -> None:
    assert reason in refused(form)


@pytest.mark.parametrize("spec", [{"type": "ExternalName", "externalName": "x.example"}, {"externalIPs": ["1.2.3.4"]}])
def test_a_service_that_leads_elsewhere_has_no_effect(spec: dict[str, Any]) -> None:
    """Nobody signed where an external name leads, and external addresses are taken from others."""
    found = effect(apply(manifest("Service", spec=spec)), builders.estate())
    assert isinstance(found, Refusal)
    assert found.code is RefusalCode.NOT_SUPPORTED


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_has_one_text_form(kind: str) -> None:
    address = apply(manifest(kind)).address
    assert Address.parse(str(address)) == address
    assert Address.parse(f"{address}/more") is None
    assert Address.parse(str(address).replace(kind, "Secret")) is None


@given(CONFIGS, CONFIGS)
def test_an_undo_brings_back_what_was_there(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Make, change and delete, each undone by its inverse: what is held is as before (a new object has a new uid)."""
    empty = builders.estate().complete()
    for steps in ([apply(first)], [apply(first), apply(second, before=first)], [apply(first), delete(first)]):
        laid = lay_out(steps, empty)
        assert isinstance(laid, Ok)
        before = empty if len(steps) == 1 else lay_out(steps[:1], empty).value.after  # type: ignore[union-attr] # laid
        last = laid.value.steps[-1]
        assert last.inverse.kind != "NoInverse"
        back = effect(last.inverse, laid.value.after)
        assert isinstance(back, Ok)
        name = ObjectId(last.change.target().id)
        assert back.value.object(name) == before.object(name)


def seen(**over: Any) -> FrozenEstate:
    """An estate in which somebody looked at the ConfigMap of the tests."""
    made = manifest()
    fields = {"id": str(apply(made).address), "uid": "uid-1", "form": manifests.form_of(made)} | over
    return builders.estate().with_object(Sighting.model_validate(fields))


CHANGE = apply(manifest(data={"rate": "9"}), before=manifest(), uid="uid-1")


@pytest.mark.parametrize(
    ("on", "code"),
    [
        (seen(uid=ABSENT, form=None), RefusalCode.UNKNOWN_TARGET),
        (seen(uid="uid-2"), RefusalCode.UID_CHANGED),
        (seen(form={"data": {"rate": "7"}}), RefusalCode.PRECONDITION_FAILED),
        (seen(others=("kubectl",)), RefusalCode.OTHER_MANAGER),
    ],
)
def test_what_is_there_is_what_the_change_expects_or_nothing_happens(on: FrozenEstate, code: RefusalCode) -> None:
    for change in (CHANGE, delete(manifest(), uid="uid-1")):
        found = effect(change, on)
        assert isinstance(found, Refusal)
        assert found.code is code
        assert misses(on, change.preconditions(on)), "and the live read of its precondition says so too"


def test_what_is_there_already_is_never_made_again() -> None:
    found = effect(apply(manifest()), seen())
    assert isinstance(found, Refusal)
    assert misses(seen(), apply(manifest()).preconditions(seen()))


def test_what_nobody_looked_at_is_neither_there_nor_absent() -> None:
    """The gate decides on what the change expects; the executor looks before it writes."""
    blind = builders.estate()
    for change in (apply(manifest()), CHANGE):
        assert isinstance(effect(change, blind), Ok)
        assert misses(blind, change.preconditions(blind)) == ()


def test_an_update_keeps_the_uid_and_a_creation_learns_it() -> None:
    (made,) = builders.steps(apply(manifest()))
    assert made.preconditions[0].uid == ABSENT
    assert not misses(seen(), made.postconditions), "any uid is that of what was made"
    (changed,) = builders.steps(CHANGE)
    assert {c.uid for c in (*changed.preconditions, *changed.postconditions)} == {Uid("uid-1")}


def test_an_approver_is_shown_what_stands_in_the_manifest() -> None:
    """A digest would be signed unread."""
    (step,) = builders.steps(CHANGE)
    line = diff_line(step)
    assert (line.before, line.after) == ((("data.rate", "5"),), (("data.rate", "9"),))
