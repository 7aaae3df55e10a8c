"""All that `placet policy export` writes: one list of objects for a cluster, in the order in which they apply."""

from __future__ import annotations

from collections.abc import Sequence

from estate.ids import ClusterId
from estate.law import Facts
from policies.admission import identities, labels
from policies.admission.annotations import protected_policy, warrant_policy
from policies.admission.distances import SCHEDULER, distances
from policies.admission.doors import doors
from policies.admission.lawful import survey
from policies.admission.manifests import Manifest, binding, marked, mutates
from policies.admission.registering import register_policy


def admission(
    facts: Facts,
    cluster: ClusterId,
    break_glass: Sequence[str] = (identities.BREAK_GLASS,),
    *,
    schedulers: Sequence[str] = (SCHEDULER,),
    enforce: bool = True,
    registered: bool = True,
) -> tuple[Manifest, ...]:
    """The admission policies of `cluster`, each with its binding.

    All carry the facts' version as a label, so that those of older facts can be found and taken away. Without `enforce`
    they warn and audit, refuse nothing and change nothing. `schedulers` are the users that may bind pods of tenants
    that must be kept apart, because they honour anti-affinity. `registered`: the writer writes under warrants alone
    that stand in the cluster's register.

    Raises:
        BadInput: the facts know no such cluster, or its nodes are more than an API server looks through.
    """
    ground = survey(facts, cluster)
    policies = (
        warrant_policy(),
        *([register_policy()] if registered else []),
        protected_policy(break_glass),
        *doors(ground),
        *distances(ground, schedulers, steering=enforce),
        *labels.node_labels(ground),
    )
    held = [p for p in policies if enforce or not mutates(p)]
    bound = (binding(p, enforce=enforce) for p in held)
    return tuple(marked(o, {labels.VERSION: str(ground.version)}) for o in (*held, *bound))
