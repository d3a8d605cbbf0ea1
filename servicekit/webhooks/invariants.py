"""Checking the deliveries: every event that an endpoint asked for has one, and each is in a state that it may be in."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from servicekit.db import clock
from servicekit.events.models import Event
from servicekit.invariants.checker import Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches
from servicekit.webhooks import patterns
from servicekit.webhooks.deliveries import waits_its_turn
from servicekit.webhooks.models import Attempt, Delivery, Endpoint, State

ASKED_IS_RECORDED: Final = Invariant(
    "I11",
    "what_a_webhook_asked_for_is_recorded",
    "Every event that an enabled endpoint asked for has a delivery to it, which has arrived, waits, or is dead.",
    "An event was marked as published past the relay, or a delivery was deleted: its receiver will never hear of it "
    "unless somebody tells it.",
)
DELIVERY_HAS_ITS_REASON: Final = Invariant(
    "I11",
    "a_delivery_is_what_its_attempts_say",
    "A delivery that has arrived was answered with a 2xx, one that waits is due, one that is dead has its reason.",
    "A delivery was written past the deliverer: look at its attempts (manage.py webhooks deliveries), and send it "
    "again if it is not certain that it has arrived.",
)
DELIVERIES_ARE_MADE: Final = Invariant(
    "I6",
    "deliveries_are_made",
    "No delivery is due for longer than --quiet-for.",
    "The worker does not run (manage.py worker), or one host keeps more waiting than it takes: read its log.",
)
_SUCCESS: Final = range(200, 300)


def passes(quiet_for_s: float) -> Sequence[Pass]:
    """Events against deliveries, and deliveries against their attempts."""
    # What was delivered is forgotten after a while; imported history is published when it is written, and no news.
    kept = clock.seconds_from_now(-settings.WEBHOOKS.kept_s)
    events = Event.objects.filter(published_at__gt=kept).exclude(published_at=F("created_at"))
    check_batch = partial(_check_batch, quiet_for=timedelta(seconds=quiet_for_s))
    deliveries = Delivery.objects.annotate(looked_at=Now()).select_related("event", "endpoint")
    return (
        Pass("published events", (ASKED_IS_RECORDED,), lambda: check_in_batches(events, _check_events)),
        Pass(
            "webhook deliveries",
            (DELIVERY_HAS_ITS_REASON, DELIVERIES_ARE_MADE),
            lambda: check_in_batches(deliveries, check_batch),
        ),
    )


def _check_events(events: Sequence[Event]) -> Iterator[Finding]:
    asking = list(Endpoint.objects.filter(is_enabled=True, asks_from__lt=events[-1].position))
    if not asking:
        return
    recorded: dict[int, set[int]] = defaultdict(set)
    positions = [event.position for event in events]
    for position, number in Delivery.objects.filter(event__in=positions).values_list("event_id", "endpoint_id"):
        recorded[number].add(position or 0)
    for endpoint in asking:
        for event in events:
            if event.position <= (endpoint.asks_from or 0) or event.position in recorded[endpoint.number]:
                continue
            if patterns.matches(event.type, endpoint.events):
                message = f"event {event.event_id} ({event.type}) has no delivery to {endpoint.uid}, which asks for it"
                yield Finding(ASKED_IS_RECORDED, f"{event.aggregatetype} {event.aggregateid}", message)


def _check_batch(deliveries: Sequence[Any], *, quiet_for: timedelta) -> Iterator[Finding]:
    answered: dict[int, set[int]] = defaultdict(set)
    attempts = Attempt.objects.filter(delivery__in=[each.pk for each in deliveries])
    for delivery, status in attempts.values_list("delivery_id", "status"):
        answered[delivery].add(status or 0)
    for each in deliveries:
        subject = f"delivery {each.uid}"
        for problem in _problems(each, answered[each.pk]):
            yield Finding(DELIVERY_HAS_ITS_REASON, subject, problem)
        is_late = each.state == State.WAITING and each.due_at is not None and each.due_at < each.looked_at - quiet_for
        if is_late and each.endpoint.is_enabled and not waits_its_turn(each):
            late_s = (each.looked_at - each.due_at).total_seconds()
            yield Finding(DELIVERIES_ARE_MADE, subject, f"it is due for {late_s:,.0f} s")


def _problems(delivery: Delivery, answered: set[int]) -> Iterator[str]:
    if delivery.event is not None and delivery.event.type != delivery.type:
        yield f"it is of type {delivery.type}, its event of type {delivery.event.type}"
    if (delivery.due_at is not None) != (delivery.state == State.WAITING):
        yield f"it is {delivery.state}, and due_at is {delivery.due_at}"
    if delivery.state == State.DELIVERED and not any(status in _SUCCESS for status in answered):
        yield "it is delivered, and nobody has answered it with a 2xx"
    if delivery.state == State.DEAD and not delivery.reason:
        yield "it is dead, and has no reason"
