"""Endpoints and a deliverer for the tests, and time that passes when they say so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Now

from servicekit.events.relay import Relay
from servicekit.tests.clocks import Clock
from servicekit.tests.publishing import FakeBroker
from servicekit.webhooks import endpoints
from servicekit.webhooks.deliverer import Deliverer
from servicekit.webhooks.fan_out import FanOut
from servicekit.webhooks.models import Attempt, Delivery, Endpoint
from servicekit.webhooks.sending import Sender

LOOPBACK: Final = [ip_network("127.0.0.0/8")]


@dataclass
class Hooks:
    """What delivers, at a clock that only `pass_s` moves."""

    deliverer: Deliverer
    relay: Relay
    fan_out: FanOut
    clock: Clock
    broker: FakeBroker

    def publish(self) -> None:
        """All that waits leaves the outbox."""
        self.clock.now += 1
        self.relay.run_once()

    def deliver(self) -> int:
        """All that is due is tried, until nothing is; returns how many attempts that took."""
        made = 0
        while True:
            self.clock.now += 2
            tried = self.deliverer.run_once()
            if not tried and not self.deliverer._under_way:
                return made
            made += tried

    def pass_s(self, seconds: float) -> None:
        """So much time goes by for everything that is due later."""
        earlier = Value(timedelta(seconds=seconds))
        Delivery.objects.filter(due_at__isnull=False).update(due_at=F("due_at") - earlier)
        Endpoint.objects.filter(failing_since__isnull=False).update(failing_since=F("failing_since") - earlier)
        Delivery.objects.filter(ended_at__isnull=False).update(ended_at=F("ended_at") - earlier)


def hooks(*, jitter: float = 0.0, key: str | None = None, timeout_s: float = 5.0, **told: Any) -> Hooks:
    """`told`: fields of `WebhookSettings` that are others than usual."""
    clock, broker, fan_out = Clock(1000.0), FakeBroker(), FanOut(key=key)
    deliverer = Deliverer(
        Sender(allowed=LOOPBACK, timeout_s=timeout_s),
        replace(settings.WEBHOOKS, allowed=LOOPBACK, **told),
        monotonic=clock,
        jitter=lambda: jitter,
        record_late=fan_out.record_late,
    )
    relay = Relay(broker, monotonic=clock, fan_out=fan_out.record)
    return Hooks(deliverer, relay, fan_out, clock, broker)


def endpoint(url: str, *asked: str, **options: Any) -> Endpoint:
    return endpoints.create(uuid4(), url=url, asked=asked or ["*"], **options)


def due_in_s(delivery: Delivery) -> float:
    """How long until it is tried again, by the database's clock."""
    row = Delivery.objects.annotate(left=F("due_at"), now=Now()).get(pk=delivery.pk)
    assert row.due_at is not None
    return float((row.due_at - row.now).total_seconds())


def states() -> list[str]:
    return list(Delivery.objects.order_by("number").values_list("state", flat=True))


def statuses(delivery: Delivery) -> Sequence[int | None]:
    return list(Attempt.objects.filter(delivery=delivery).order_by("number").values_list("status", flat=True))
