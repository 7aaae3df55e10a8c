"""Write on an item where its layers are from, and when. Pure; called by `folding` for what carries no origins yet."""

from __future__ import annotations

from datetime import datetime

from estate.items import Item
from estate.origins import Origin


def stamped(item: Item, source: str, at: datetime | None) -> Item:
    """The item with one origin for each layer that it says something of."""
    if item.origins:
        return item
    fields = type(item).model_fields
    said = (f for f in fields if f not in ("kind", "origins") and getattr(item, f) != fields[f].get_default())
    layers = sorted({item.layer_of(f) for f in said})
    origins = tuple(Origin(layer=layer, source=source, observed_at=at) for layer in layers)
    return item.model_copy(update={"origins": origins})


def same_saying(one: Item, other: Item) -> bool:
    """Whether two say the same, whenever they were seen."""
    return one.model_copy(update={"origins": ()}) == other.model_copy(update={"origins": ()})
