"""The one label that steers pods: `placet.dev/site` stands on the nodes that signed facts place there, and on no other.

`placet-node-labels` writes it into every node that is written and takes a forged one away; the validating policy of the
same name refuses what slips past that (a write to `nodes/status` may carry labels too). Labels only steer, the door
itself goes by name: so these two let a write through where they cannot be evaluated, and never keep a kubelet from its
node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.admission import texts
from policies.admission.lawful import Ground
from policies.admission.manifests import Check, Manifest, Rule, Watch, mutating, validating

SITE: Final = "placet.dev/site"
VERSION: Final = "placet.dev/facts-version"
"""On policies: of which facts they are."""

_NAME: Final = "placet-node-labels"
_MAIN: Final = Rule(("",), ("nodes",), ("CREATE", "UPDATE"), "Cluster")
_STATUS: Final = Rule(("",), ("nodes/status",), ("UPDATE",), "Cluster")
_LABEL: Final = f"?metadata.?labels[?'{SITE}'].orValue('')"


def told(ground: Ground) -> dict[str, str]:
    """The annotations by which everybody sees from which facts a policy was compiled."""
    return {
        "placet.dev/cluster": ground.cluster,
        "placet.dev/facts": ground.digest,
    }


def escaped(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def node_labels(ground: Ground) -> Iterator[Manifest]:
    """The policies that keep the label true."""
    names = texts.Names.of(ground.nodes)
    lawful = f"{names.hold('object.metadata.name')} ? {texts.literal(ground.site)} : ''"
    variables = (*names.variables, ("lawful", lawful), ("found", f"object.{_LABEL}"))
    changed = (("label-changed", f"oldObject == null || oldObject.{_LABEL} != object.{_LABEL}"),)
    guard = Watch((_MAIN, _STATUS), conditions=changed, variables=variables, closed=False)
    yield validating(_NAME, guard, (_check(),), told(ground))
    yield mutating(_NAME, Watch((_MAIN,), variables=variables, closed=False), (_patch(),), told(ground))


def _check() -> Check:
    said = (
        f"'placet-node-labels: ' + object.metadata.name + ' may not be labelled {SITE}=' + variables.found + "
        "'; signed facts say `' + variables.lawful + '`'"
    )
    return Check("variables.found == '' || variables.found == variables.lawful", said)


def _patch() -> str:
    path = f"/metadata/labels/{escaped(SITE)}"
    return (
        "variables.lawful == variables.found ? [] "
        f": variables.lawful == '' ? [JSONPatch{{op: 'remove', path: '{path}'}}] "
        f": has(object.metadata.labels) ? [JSONPatch{{op: 'add', path: '{path}', value: variables.lawful}}] "
        f": [JSONPatch{{op: 'add', path: '/metadata/labels', value: {{'{SITE}': variables.lawful}}}}]"
    )
