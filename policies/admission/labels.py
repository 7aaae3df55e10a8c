"""The one label that steers pods: `placet.dev/site` stands on the nodes that signed facts place there, and on no other.

`placet-node-labels` writes it into every node that is written and takes a forged one away; the validating policy of the
same name refuses what slips past that (a write to `nodes/status` may carry labels too). Labels only steer, the door
itself goes by name: so these two let a write through where they cannot be evaluated, and never keep a kubelet from its
node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.admission import identities
from policies.admission.manifests import Bound, Check, Manifest, Rule, Watch, binding, mutating, validating

SITE: Final = "placet.dev/site"
VERSION: Final = "placet.dev/facts-version"
COUNT: Final = "placet.dev/nodes"
PLACED: Final = "params.data.nodes.contains('\\n' + {} + '\\n')"
"""CEL: whether facts place a node of that name. One long text is read in place; a map of thousands of keys would be
copied for every expression of every request (measured in `deploy/kubernetes/README.md`)."""

_NAME: Final = "placet-node-labels"
_MAIN: Final = Rule(("",), ("nodes",), ("CREATE", "UPDATE"), "Cluster")
_STATUS: Final = Rule(("",), ("nodes/status",), ("UPDATE",), "Cluster")
_LABEL: Final = f"?metadata.?labels[?'{SITE}'].orValue('')"


def escaped(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def node_labels(params: str, *, enforce: bool = True) -> Iterator[Manifest]:
    """The policies that keep the label true, with the nodes in the ConfigMap `params`."""
    where = Bound(params=params, missing="Allow")
    policies = [validating(_NAME, _guard(), _checks())]
    if enforce:
        policies.append(mutating(_NAME, _writer(), (_patch(),)))
    yield from policies
    for policy in policies:
        yield binding(policy, _NAME, where, identities.NAMESPACE, enforce=enforce)


_VARIABLES: Final = (
    (
        "lawful",
        f"{PLACED.format('object.metadata.name')} ? params.metadata.annotations['{SITE}'] : ''",
    ),
    ("found", f"object.{_LABEL}"),
)


def _guard() -> Watch:
    changed = f"oldObject == null || oldObject.{_LABEL} != object.{_LABEL}"
    return Watch(
        (_MAIN, _STATUS), conditions=(("label-changed", changed),), variables=_VARIABLES, params=True, closed=False
    )


def _checks() -> tuple[Check, ...]:
    told = (
        f"'placet-node-labels: ' + object.metadata.name + ' may not be labelled {SITE}=' + variables.found + "
        "'; signed facts say `' + variables.lawful + '`'"
    )
    return (Check("variables.found == '' || variables.found == variables.lawful", told),)


def _writer() -> Watch:
    return Watch((_MAIN,), variables=_VARIABLES, params=True, closed=False)


def _patch() -> str:
    path = f"/metadata/labels/{escaped(SITE)}"
    return (
        "variables.lawful == variables.found ? [] "
        f": variables.lawful == '' ? [JSONPatch{{op: 'remove', path: '{path}'}}] "
        f": has(object.metadata.labels) ? [JSONPatch{{op: 'add', path: '{path}', value: variables.lawful}}] "
        f": [JSONPatch{{op: 'add', path: '/metadata/labels', value: {{'{SITE}': variables.lawful}}}}]"
    )
