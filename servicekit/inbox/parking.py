"""Messages that could not be taken: kept as they came, listed, and replayed when somebody has seen to the cause."""

from collections.abc import Collection, Iterable
from typing import Final

import structlog
from django.db import transaction
from django.db.models.functions import Now

from servicekit import exactjson
from servicekit.inbox.errors import Refused
from servicekit.inbox.messages import Headers, Message
from servicekit.inbox.models import Parked

log = structlog.get_logger()

MAX_DETAIL_LENGTH: Final = 1000


@transaction.atomic
def park(message: Message, consumer: str, refusal: Refused) -> None:
    """Keep a message for a person to look at. Safe to repeat."""
    Parked.objects.update_or_create(
        consumer=consumer,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        defaults={
            "reason": refusal.reason,
            "detail": refusal.detail.replace("\0", "")[:MAX_DETAIL_LENGTH],
            "key": message.key,
            "headers": _stored(message.headers),
            "value": message.value,
            "replay_at": None,
        },
    )
    log.error(
        "event.parked",
        consumer=consumer,
        reason=refusal.reason,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
    )


def keep_parked(row: Parked, refusal: Refused) -> None:
    """One that was to be replayed stays parked, for another reason, until it is asked for again."""
    detail = refusal.detail.replace("\0", "")[:MAX_DETAIL_LENGTH]
    Parked.objects.filter(pk=row.pk).update(reason=refusal.reason, detail=detail, replay_at=None)


def parked(*, consumer: str = "", numbers: Collection[int] | None = None) -> list[Parked]:
    """What is parked, oldest first: of one consumer, under some numbers, or all."""
    rows = Parked.objects.filter(consumer=consumer) if consumer else Parked.objects.all()
    return list(rows if numbers is None else rows.filter(number__in=numbers))


def request_replay(rows: Iterable[Parked]) -> int:
    """Have parked messages taken again by their consumer; returns how many."""
    chosen = Parked.objects.filter(number__in=[row.number for row in rows])
    return chosen.update(replay_at=Now())


def message_of(row: Parked) -> Message:
    """The message as it came."""
    pairs: list[tuple[str, str | None]] = exactjson.decode(row.headers)
    headers = [(name, None if text is None else text.encode("latin-1")) for name, text in pairs]
    return Message(row.topic, row.partition, row.offset, _bytes(row.key), headers, _bytes(row.value))


def _stored(headers: Headers) -> str:
    pairs = [(name, None if value is None else value.decode("latin-1")) for name, value in headers]
    return exactjson.encode(pairs).decode()


def _bytes(column: bytes | memoryview | None) -> bytes | None:
    """PostgreSQL's driver gives a view."""
    return None if column is None else bytes(column)
