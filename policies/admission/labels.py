"""The two labels that steer pods: `placet.dev/site` and `placet.dev/rack` stand on the nodes that signed facts place
there, and on no other.

`placet-node-labels` writes both, in one write, into every node that is written, and takes forged ones away; the
validating policy of the same name refuses what slips past that (a write to `nodes/status` may carry labels too). Labels
only steer, the door itself goes by name: so these two let a write through where they cannot be evaluated, and never
keep a kubelet from its node. A node without `kubernetes.io/hostname` gets neither: the scheduler would keep nobody
apart on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from estate.ids import RackId
from policies.admission import texts
from policies.admission.lawful import Ground
from policies.admission.manifests import Check, Manifest, Rule, Watch, mutating, validating

SITE: Final = "placet.dev/site"
RACK: Final = "placet.dev/rack"
HOST: Final = "kubernetes.io/hostname"
VERSION: Final = "placet.dev/facts-version"
"""On policies: of which facts they are."""

POD: Final = "request.namespace + '/' + object.metadata.?name.orValue(object.metadata.?generateName.orValue(''))"
"""CEL: what a pod, or the pod of a binding, is called when it is refused."""

_LONGEST: Final = 63
"""Characters of a label's value."""
_NAME: Final = "placet-node-labels"
_MAIN: Final = Rule(("",), ("nodes",), ("CREATE", "UPDATE"), "Cluster")
_STATUS: Final = Rule(("",), ("nodes/status",), ("UPDATE",), "Cluster")
_LABELS: Final = "?metadata.?labels.orValue({})"


def told(ground: Ground) -> dict[str, str]:
    """The annotations by which everybody sees from which facts a policy was compiled."""
    return {
        "placet.dev/cluster": ground.cluster,
        "placet.dev/facts": ground.digest,
    }


def escaped(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def rack_label(rack: RackId) -> str:
    """What a node's label calls its rack: its id, or where that is longer than a label may be, a digest of it."""
    if len(rack) <= _LONGEST:
        return rack
    return f"rack-{hashlib.sha256(rack.encode()).hexdigest()[:32]}"


def node_labels(ground: Ground) -> Iterator[Manifest]:
    """The policies that keep the labels true."""
    names = texts.Names.of(f"{n}={rack_label(r)}" for n, r in ground.nodes.items())
    hosted = f"'{HOST}' in variables.found"
    variables = (
        *names.variables,
        ("found", f"object.{_LABELS}"),
        ("rack", f"{hosted} ? {names.told('object.metadata.name')} : ''"),
        ("site", f"variables.rack == '' ? '' : {texts.literal(ground.site)}"),
    )
    before, now = f"oldObject.{_LABELS}", f"object.{_LABELS}"
    same = " && ".join(f"{before}[?'{k}'] == {now}[?'{k}']" for k in (SITE, RACK, HOST))
    changed = (("label-changed", f"oldObject == null || !({same})"),)
    guard = Watch((_MAIN, _STATUS), conditions=changed, variables=variables, closed=False)
    yield validating(_NAME, guard, (_check(SITE, "site"), _check(RACK, "rack")), told(ground))
    yield mutating(_NAME, Watch((_MAIN,), variables=variables, closed=False), (_patch(),), told(ground))


def _check(key: str, lawful: str) -> Check:
    found = f"variables.found[?'{key}'].orValue('')"
    said = (
        f"'placet-node-labels: ' + object.metadata.name + ' may not be labelled {key}=' + {found} + "
        f"'; signed facts say `' + variables.{lawful} + '`'"
    )
    return Check(f"{found} == '' || {found} == variables.{lawful}", said)


def _patch() -> str:
    both = f"{{'{SITE}': variables.site, '{RACK}': variables.rack}}"
    return (
        "has(object.metadata.labels) "
        f"? {_step(SITE, 'site')} + {_step(RACK, 'rack')} "
        f": variables.rack == '' ? [] : [JSONPatch{{op: 'add', path: '/metadata/labels', value: {both}}}]"
    )


def _step(key: str, lawful: str) -> str:
    """Sets one label right, in a map that is there."""
    path, found, value = f"/metadata/labels/{escaped(key)}", f"variables.found[?'{key}']", f"variables.{lawful}"
    return (
        f"({found}.orValue('') == {value} ? [] "
        f": {value} == '' ? [JSONPatch{{op: 'remove', path: '{path}'}}] "
        f": [JSONPatch{{op: 'add', path: '{path}', value: {value}}}])"
    )
