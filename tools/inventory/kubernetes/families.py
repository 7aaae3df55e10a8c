"""Which pods belong together: every pod under the topmost controller that is known of it, kept current by index.

Called by `modelling`. A family is known by (namespace, kind, name), not by uid: pods that a controller of that name
left behind, and pods of one that took its name since, are one workload while both run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tools.kubernetes import chains
from tools.kubernetes.objects import Owner, Pod


@dataclass(frozen=True, slots=True)
class Key:
    """A family: the topmost controller's namespace, kind and name."""

    namespace: str
    kind: str
    name: str

    @classmethod
    def of(cls, owner: Owner) -> Key:
        """The family of which that controller is the top."""
        return cls(owner.namespace, owner.ref.word, owner.ref.name)


class Families:
    """Pods and controllers by uid, and who belongs to whom."""

    def __init__(self) -> None:
        self._known: dict[str, Owner | Pod] = {}
        self._below: defaultdict[str, set[str]] = defaultdict(set)
        self._heads: dict[Key, str] = {}
        self._members: defaultdict[Key, set[str]] = defaultdict(set)
        self._family: dict[str, Key] = {}
        self._on: defaultdict[str, set[str]] = defaultdict(set)
        self._claiming: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def put(self, found: Owner | Pod) -> set[Key]:
        """Add or replace one; the families that this touches."""
        uid = found.ref.uid
        before = self._known.get(uid)
        if before == found:
            return set()
        touched = self._unlinked(before) if before else set()
        self._known[uid] = found
        if found.controller is not None:
            self._below[found.controller.uid].add(uid)
        if isinstance(found, Pod):
            if found.node:
                self._on[found.node].add(uid)
            for claim in found.claims:
                self._claiming[found.namespace, claim].add(uid)
        else:
            self._heads[Key.of(found)] = uid
            touched.add(Key.of(found))
        moved = before is None or before.controller != found.controller
        return touched | self._settled(self._subtree(uid) if moved else [uid])

    def drop(self, uid: str) -> set[Key]:
        """Forget one; the families that this touches."""
        before = self._known.get(uid)
        if before is None:
            return set()
        touched = self._unlinked(before)
        del self._known[uid]
        return touched | self._left(uid) | self._settled(self._subtree(uid))

    def known(self, uid: str) -> Owner | Pod | None:
        """The pod or controller with that uid."""
        return self._known.get(uid)

    def family(self, key: Key) -> tuple[Owner | None, list[Pod]]:
        """The top and its pods; no top where there is no such family (any more)."""
        pods = [p for uid in sorted(self._members.get(key, ())) if isinstance(p := self._known[uid], Pod)]
        head = self._known.get(self._heads.get(key, ""))
        if isinstance(head, Owner) and Key.of(chains.top(head, self.known)) == key:
            return head, pods
        return (chains.root(pods[0], self.known) if pods else None), pods

    def on(self, node: str) -> set[Key]:
        """The families with a pod on that node."""
        return {self._family[uid] for uid in self._on.get(node, ()) if uid in self._family}

    def pods_on(self, node: str) -> Iterator[tuple[Pod, Key | None]]:
        """Every pod on that node, with the family of those that are replicas of something."""
        for uid in sorted(self._on.get(node, ())):
            pod = self._known[uid]
            if isinstance(pod, Pod):
                yield pod, self._family.get(uid)

    def claiming(self, namespace: str, claim: str) -> set[Key]:
        """The families with a pod that names this claim."""
        return {self._family[uid] for uid in self._claiming.get((namespace, claim), ()) if uid in self._family}

    def everyone(self) -> set[Key]:
        """Every family."""
        return {*self._heads, *self._members}

    def _subtree(self, uid: str) -> Iterator[str]:
        """That one and everything below it, each once."""
        seen, waiting = {uid}, [uid]
        while waiting:
            yield (at := waiting.pop())
            fresh = self._below.get(at, set()) - seen
            seen |= fresh
            waiting.extend(fresh)

    def _settled(self, uids: Iterable[str]) -> set[Key]:
        """Put each pod into the family it belongs to now. A controller that is no longer a top touches its own too."""
        touched: set[Key] = set()
        for uid in uids:
            found = self._known.get(uid)
            if isinstance(found, Pod):
                touched |= self._left(uid)
                if found.counts:
                    key = Key.of(chains.root(found, self.known))
                    self._members[key].add(uid)
                    self._family[uid] = key
                    touched.add(key)
            elif found is not None:
                touched.add(Key.of(found))
        return touched

    def _left(self, uid: str) -> set[Key]:
        key = self._family.pop(uid, None)
        if key is None:
            return set()
        members = self._members[key]
        members.discard(uid)
        if not members:
            del self._members[key]
        return {key}

    def _unlinked(self, before: Owner | Pod) -> set[Key]:
        """Undo the index entries of what is replaced or gone."""
        uid = before.ref.uid
        if before.controller is not None:
            _discard(self._below, before.controller.uid, uid)
        if isinstance(before, Pod):
            _discard(self._on, before.node, uid)
            for claim in before.claims:
                _discard(self._claiming, (before.namespace, claim), uid)
            return set()
        key = Key.of(before)
        if self._heads.get(key) == uid:
            del self._heads[key]
        return {key}


def _discard[At](index: defaultdict[At, set[str]], at: At, uid: str) -> None:
    held = index.get(at)
    if held is not None:
        held.discard(uid)
        if not held:
            del index[at]
