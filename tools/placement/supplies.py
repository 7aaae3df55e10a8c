"""How a rack is fed: its feeds by fact and by what its PDUs are on, and what class of supply that comes to. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from estate.facilities.places import RackSpace
from estate.facilities.power import Feed, Pdu, Ups
from estate.ids import RackId
from estate.itemkinds import State
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.terms import Supply
from tools.placement.assurance.domains import doubled


def supply(snapshot: Snapshot, rack: RackId) -> Supply | None:
    """The class of its supply; None where nobody tells of batteries that work."""
    buffered = [f for f in sorted(_feeds(snapshot, rack)) if _buffered(snapshot, f)]
    if not buffered:
        return None
    twice = len(buffered) > 1 or doubled(snapshot, Ref("feed", buffered[0]))
    return Supply.REDUNDANT if twice else Supply.BUFFERED


def _feeds(snapshot: Snapshot, rack: RackId) -> frozenset[str]:
    """By signed fact, and by every PDU that it is plugged into or that stands in it."""
    known = snapshot.facts.rack.get(rack)
    return frozenset({*_plugged(snapshot, rack), known.power_feed if known is not None else ""} - {""})


def _plugged(snapshot: Snapshot, rack: RackId) -> Iterator[str]:
    space = snapshot.stock.get(Ref("rack", rack))
    named = [Ref("pdu", p) for p in space.pdus] if isinstance(space, RackSpace) else []
    inside = [r for r in snapshot.stock.naming(Ref("rack", rack)) if r.kind == "pdu"]
    for ref in dict.fromkeys((*named, *inside)):
        pdu = snapshot.stock.get(ref)
        if isinstance(pdu, Pdu) and pdu.state is not State.FAILED:
            yield pdu.feed


def _buffered(snapshot: Snapshot, name: str) -> bool:
    feed = snapshot.stock.get(Ref("feed", name))
    if not isinstance(feed, Feed) or feed.state is State.FAILED or feed.ups is None:
        return False
    ups = snapshot.stock.get(Ref("ups", feed.ups))
    return isinstance(ups, Ups) and ups.state is not State.FAILED
