"""All that `placet policy export` writes: one list of objects for a cluster, in the order in which they apply."""

from __future__ import annotations

from collections.abc import Sequence

from estate.ids import ClusterId
from estate.law import Facts
from policies.admission import identities
from policies.admission.annotations import protected_policy, warrant_policy
from policies.admission.doors import NODES, doors
from policies.admission.labels import node_labels
from policies.admission.lawful import survey
from policies.admission.manifests import Manifest


def admission(
    facts: Facts,
    cluster: ClusterId,
    break_glass: Sequence[str] = (identities.BREAK_GLASS,),
    *,
    enforce: bool = True,
) -> tuple[Manifest, ...]:
    """The admission policies of `cluster`. Without `enforce` they warn and audit, refuse nothing and steer nothing.

    Raises:
        BadInput: the facts know no such cluster, or its nodes do not fit into one ConfigMap.
    """
    ground = survey(facts, cluster)
    return (
        identities.namespace(),
        *warrant_policy(enforce=enforce),
        *protected_policy(break_glass, enforce=enforce),
        *doors(ground, enforce=enforce),
        *node_labels(NODES, enforce=enforce),
    )
