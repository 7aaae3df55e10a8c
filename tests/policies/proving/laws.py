"""Small laws to prove, and the shipped one with something done to it that `Bundle.load` would refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cedarpy
from cedarpy import pst

from estate import canonical
from policies.proving.laws import Law
from policies.proving.mutations import mutants
from policies.proving.schemas import parse
from policies.proving.sheets import Policy
from policies.proving.witnesses import Cedar
from tests.policies.asking import law as bundle

SCHEMA = """
entity Actor; entity Thing;
action "Do" appliesTo { principal: Actor, resource: Thing,
  context: { n: Long, words: Set<String>, word?: String, ip: ipaddr, net: ipaddr } };
"""


def small(text: str, schema: str = SCHEMA, tier: int = 0) -> Law:
    """A law of a few lines; all its forbids are of one tier."""
    trees = cedarpy.policies_to_pst(text).static_policies.values()
    lifted = {t.annotations["id"] for t in trees if "requires" in t.annotations}
    policies = [Policy(i, tier, t, i in lifted) for t in trees for i in (t.annotations["id"],)]
    return Law(canonical.digest_of(text), tuple(policies), parse(schema), Cedar.of(text, schema))


@cache
def shipped() -> Law:
    """The law as it is shipped."""
    return Law.of(bundle())


def with_trees(law: Law, policies: tuple[Policy, ...]) -> Law:
    """The same law with other policies."""
    trees = pst.FrozenMap({p.tree.id: p.tree for p in policies})
    found = cedarpy.PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), trees, ()))
    return replace(law, policies=policies, cedar=replace(law.cedar, policies=found))


def without(law: Law, policy: str, lost: Callable[[str], bool]) -> Law:
    """The law after one guard of a policy was taken away, the first whose text is as wanted."""
    found = next(p for p in law.policies if p.id == policy)
    mutant = next(m for m in mutants(found) if lost(m.lost))
    kept = [p for p in law.policies if p.id != policy]
    if mutant.tree is not None:
        kept.append(replace(found, tree=mutant.tree))
    return with_trees(law, tuple(kept))
