"""Webhooks of orders: an order's events reach a receiver, and the checker sees one that was left out."""

from typing import Any
from uuid import uuid4

import pytest

from order_service.orders import worker_jobs
from order_service.tests.conftest import Shop
from servicekit.events.models import Event
from servicekit.tests.checking import check
from servicekit.tests.webhooks import LOOPBACK
from servicekit.webhooks import endpoints
from servicekit.webhooks.models import Attempt, Delivery, Endpoint
from tests.receivers import Reply, always, receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WEBHOOKS = settings.WEBHOOKS.__class__(**{**vars(settings.WEBHOOKS), "allowed": LOOPBACK})


def work() -> None:
    """One round of the worker, the lane of the webhooks included."""
    jobs = dict(worker_jobs.jobs())
    jobs["relay"]()
    for lane in worker_jobs.lanes():
        for _, job in lane.jobs:
            job()
        lane.finish()


def test_an_orders_events_reach_a_receiver(shop: Shop) -> None:
    """Each that was asked for, once, by the worker as it stands; and every invariant holds."""
    with receiver() as there:
        endpoints.create(uuid4(), url=there.url, asked=["order.paid", "order.closed"])
        shop.place()
        work()
        assert len(there.received) == 2
    assert set(Delivery.objects.values_list("type", "state")) == {
        ("order.paid", "delivered"),
        ("order.closed", "delivered"),
    }
    assert check().violations == []


def delivered(shop: Shop, *replies: Reply) -> Endpoint:
    with receiver(always(*replies)) as there:
        made = endpoints.create(uuid4(), url=there.url, asked=["order.paid"])
        shop.place()
        work()
    return made


def test_an_event_without_a_delivery_is_found(shop: Shop) -> None:
    """By its id; but not one of before the endpoint, nor of an endpoint that is disabled."""
    shop.place()
    work()
    made = delivered(shop, Reply())
    assert check().violations == []
    event = Event.objects.filter(type="order.paid").latest("position")
    Attempt.objects.all().delete()
    Delivery.objects.all().delete()
    assert check().violations == [
        (
            "what_a_webhook_asked_for_is_recorded",
            f"order {event.aggregateid}",
            f"event {event.event_id} (order.paid) has no delivery to {made.uid}, which asks for it",
        )
    ]
    endpoints.disable(made.pk, endpoints.BY_HAND)
    work()
    assert check().violations == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"state": "dead", "due_at": None}, "it is dead, and has no reason"),
        ({"state": "delivered", "due_at": None}, "it is delivered, and nobody has answered it with a 2xx"),
        ({"due_at": None}, "it is waiting, and due_at is None"),
        ({"type": "order.closed"}, "it is of type order.closed, its event of type order.paid"),
    ],
)
def test_a_delivery_that_is_not_what_its_attempts_say_is_found(wrong: Any, message: str, shop: Shop) -> None:
    """Whatever was written past the deliverer."""
    delivered(shop, Reply(500))
    delivery = Delivery.objects.get()
    Delivery.objects.update(**wrong)
    assert ("a_delivery_is_what_its_attempts_say", f"delivery {delivery.uid}", message) in check().violations


def test_a_delivery_that_nobody_makes_is_found(shop: Shop) -> None:
    """It is due for too long; not one that waits its turn behind another."""
    with receiver([Reply(500)]) as there:
        endpoints.create(uuid4(), url=there.url, asked=["*"], is_ordered=True)
        shop.place()
        work()
    assert {name for name, _, _ in check(quiet_for=0).violations} == set()
    Delivery.objects.filter(tries=1).update(due_at=Event.objects.earliest("position").created_at)
    found = check(quiet_for=0)
    assert [name for name, _, _ in found.violations] == ["deliveries_are_made"]
