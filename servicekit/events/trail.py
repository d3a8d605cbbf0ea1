"""Writing and reading events."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from servicekit import exactjson, rows
from servicekit.events.models import Event

log = structlog.get_logger()


def append(event_type: str, *, aggregate_type: str, aggregate_id: str, sequence: int, data: Mapping[str, Any]) -> None:
    """Record a fact. Call it in the transaction that makes it true; it is logged once that has committed.

    Args:
        sequence: The aggregate's version after the change.
        data: JSON-ready, amounts as `Decimal`. No card data, no tokens: it is stored and published.
    """
    rows.insert(
        Event(
            type=event_type,
            aggregatetype=aggregate_type,
            aggregateid=aggregate_id,
            sequence=sequence,
            payload=exactjson.encode(data).decode(),
        )
    )
    transaction.on_commit(partial(log.info, event_type, sequence=sequence, **{f"{aggregate_type}_id": aggregate_id}))


def of(aggregate_type: str, aggregate_id: str) -> list[dict[str, Any]]:
    """One aggregate's events, oldest first: `sequence`, `type`, `created_at`, `data`."""
    events = Event.objects.filter(aggregatetype=aggregate_type, aggregateid=aggregate_id).order_by("sequence")
    return [
        {
            "sequence": event.sequence,
            "type": event.type,
            "created_at": exactjson.utc_text(event.created_at),
            "data": exactjson.decode(event.payload),
        }
        for event in events
    ]
