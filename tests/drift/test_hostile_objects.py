"""Whatever an API server, a webhook or a person writes into an object: comparing it never raises."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from estate.drifts import Drift
from tests import builders
from tests.drift import templates
from tests.execution.clusters import CLUSTER
from tools.drift import comparing, desires, objects, quantities
from tools.drift.objects import Setting
from tools.drift.schemas import Schemas
from tools.inventory.kubernetes.drifting import DriftBook
from tools.kubernetes import resources
from tools.kubernetes.connecting import Object

SETTING = Setting(CLUSTER, builders.facts())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(
    st.sampled_from(["f:spec", 'k:{"name":"main"}', "k:{", "v:1", ".", "f:"]), anything, max_size=3
)
managed = st.lists(
    st.one_of(anything, st.fixed_dictionaries({}, optional={
        "manager": anything, "operation": anything, "time": st.one_of(anything, st.just("0001-01-01T00:00:00+14:00")),
        "fieldsV1": st.one_of(anything, fields), "subresource": anything,
    })),
    max_size=3,
)  # fmt: skip
notes = st.dictionaries(
    st.sampled_from(["placet.dev/applied", desires.KUBECTL, "x"]),
    st.one_of(
        anything, st.text(max_size=40), st.sampled_from(['{"spec":{"replicas":3}}', '{"metadata":5}', "[]", "{"])
    ),
    max_size=3,
)
abouts = st.one_of(anything, st.fixed_dictionaries({}, optional={
    "name": st.one_of(anything, st.just("n")), "namespace": anything, "uid": st.one_of(anything, st.just("u")),
    "annotations": st.one_of(anything, notes), "labels": anything, "managedFields": st.one_of(anything, managed),
}))  # fmt: skip
kinds = st.sampled_from(["Node", "Deployment", "ConfigMap", "Service"])
hostile = st.fixed_dictionaries({}, optional={
    "apiVersion": anything, "kind": st.one_of(anything, kinds),
    "metadata": abouts, "spec": anything, "status": anything, "data": anything,
})  # fmt: skip


@given(hostile, hostile)
def test_a_fuzzed_object_never_raises(found: Object, declared: Object) -> None:
    told = objects.drifts(found, SETTING, [desires.declared(declared)])
    told += objects.missing(declared, SETTING)
    assert all(Drift.read(d.canonical()) == d for d in told)
    book = DriftBook(SETTING)
    book.declare({"Deployment n": declared})
    book.put(resources.DEPLOYMENTS, found)
    book.drop(resources.DEPLOYMENTS, found)
    book.keep_only(resources.DEPLOYMENTS, set())


@given(templates.objects(), abouts, st.data())
def test_a_broken_copy_of_a_sound_object_never_raises(body: Object, about: Any, data: st.DataObject) -> None:
    broken = {k: data.draw(anything) if data.draw(st.booleans()) else v for k, v in body.items()}
    broken["metadata"] = about
    told = objects.drifts(broken, SETTING, [desires.declared(body)])
    assert all(len(d.told()) < 5000 for d in told)


@given(st.lists(anything, max_size=4))
def test_fuzzed_openapi_never_raises(documents: list[Any]) -> None:
    whole = [d if isinstance(d, dict) else {"components": {"schemas": {"x": d, "y": {"items": d}}}} for d in documents]
    shape = Schemas(whole).of("apps/v1", "Deployment")
    assert list(comparing.differences({"a": 1}, {"a": 1}, shape)) == []


@given(templates.objects())
def test_an_object_does_not_differ_from_itself(body: Object) -> None:
    assert list(comparing.differences(body, body)) == []


@given(st.integers(-(10**9), 10**9))
@example(0)
def test_a_quantity_is_its_amount_however_it_is_written(number: int) -> None:
    assert quantities.equal(str(number), f"{number * 1000}m")
    assert quantities.equal(number, f"{number}")
    assert quantities.equal(f"{number}Ki", str(number * 1024))
    assert quantities.equal(f"{number}k", f"{number}e3")
    assert not quantities.equal(str(number), str(number + 1))
    assert quantities.value("twelve") is None
