"""A bundle as the proofs take it: its policies as trees, its schema as types, and Cedar itself to check against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cedarpy

from estate.ids import Digest
from policies.bundle import Bundle
from policies.proving.kinds import Schema
from policies.proving.schemas import parse
from policies.proving.sheets import Drawing, Policy, Sheet, patterns
from policies.proving.strings import Strings
from policies.proving.witnesses import Cedar

SCHEMA = "schema.cedarschema"


@dataclass(frozen=True)
class Law:
    """Everything that is proved of one bundle rests on this."""

    digest: Digest
    policies: tuple[Policy, ...]
    schema: Schema
    cedar: Cedar

    @classmethod
    def of(cls, bundle: Bundle) -> Law:
        """The law of a loaded bundle. Raises BadInput where the schema is not understood."""
        texts = dict(bundle.texts)
        joined = "\n".join(text for path, text in bundle.texts if path.endswith(".cedar"))
        trees = cedarpy.policies_to_pst(joined).static_policies.values()
        policies = tuple(Policy(i, bundle.rules[i].tier, t, bundle.rules[i].requires is not None)
                         for t in trees for i in (t.annotations["id"],))  # fmt: skip
        return cls(bundle.digest, policies, parse(texts[SCHEMA]), Cedar.of(joined, texts[SCHEMA]))

    def drawing(self) -> Drawing:
        """Where its sheets are drawn."""
        return Drawing(self.schema, Strings(patterns(self.policies)))

    def sheets(self) -> tuple[Sheet, ...]:
        """Every request environment. Raises Unsupported."""
        return self.drawing().sheets(self.policies)


def joint(laws: Iterable[Law]) -> Strings:
    """Strings that every pattern of several laws tells apart."""
    return Strings(patterns([p for law in laws for p in law.policies]))
