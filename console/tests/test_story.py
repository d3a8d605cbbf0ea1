"""The story of an order says who else was told of each event, and by whom it was taken; a request finds what it did."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import pytest
from django.test import Client

import orderpay
from console.pages import services, story

NOON: Final = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
ORDER: Final = "c1a2b3d4-e5f6-7890-abcd-ef1234567890"


def event(sequence: int = 1) -> orderpay.Event:
    return orderpay.Event(sequence, "payment.successful", NOON, "shop", {})


def recorded(sequence: int = 1, **more: Any) -> orderpay.RecordedEvent:
    told: dict[str, Any] = {
        "position": sequence,
        "event_id": f"e-{sequence}",
        "aggregate": "payment",
        "aggregate_id": "p-1",
        "sequence": sequence,
        "type": "payment.successful",
        "created_at": NOON,
        "actor": "shop",
        "request_id": "r-1",
        "relay_state": "published",
        "published_at": NOON + timedelta(seconds=1),
        "error": None,
        "broker": "kafka",
    }
    return orderpay.RecordedEvent(**{**told, **more})


def told_of(record: orderpay.RecordedEvent, **more: Any) -> story.Story:
    return story.Story(payment_events=[event()], payment_recorded={1: record}, **more)


def test_an_event_says_when_kafka_had_it_and_who_took_it() -> None:
    """With the time of each, and the request that caused it."""
    taken = orderpay.ConsumedEvent("order_service", "payment_service", "e-1", NOON + timedelta(seconds=2))
    (moment,) = story.timeline(told_of(recorded(), consumed={"e-1": taken}))
    assert moment.request_id == "r-1"
    assert [(each.says, each.at, each.is_bad) for each in moment.told] == [
        ("Kafka has it", NOON + timedelta(seconds=1), False),
        ("taken by order service", NOON + timedelta(seconds=2), False),
    ]


@pytest.mark.parametrize(
    ("state", "says", "is_bad"),
    [
        ("waiting", "waits for its way to Kafka", False),
        ("dead", "Kafka refused it for good: too large", True),
        ("given_up", "Kafka refused it and was given up: too large", True),
    ],
)
def test_an_event_that_nobody_has_heard_of_says_why(state: str, says: str, is_bad: bool) -> None:
    """Whether that changes by itself, too."""
    told = told_of(recorded(relay_state=state, published_at=None, error="too large"))
    (moment,) = story.timeline(told)
    assert [(each.says, each.is_bad) for each in moment.told] == [(says, is_bad)]
    waits = [says for says, _ in story.next_up(told)]
    assert waits == (["The relay takes 1 event to Kafka"] if state == "waiting" else [])


def test_without_a_broker_nothing_is_said_of_one() -> None:
    """But once, that there is none."""
    told = told_of(recorded(broker=None))
    assert [each.told for each in story.timeline(told)] == [[]]
    assert next(each.says for each in story.channels(told)) == "no broker; events go to the log"


def test_an_order_that_waits_for_its_payer_says_where_and_cannot_be_paid_another_way() -> None:
    """The attempt that is waited for, what comes next and until when; no button pays it a second time."""
    action = orderpay.NextAction("redirect", "http://localhost:8002/bank/confirm/x/", NOON)
    order: Any = orderpay.models.read(
        orderpay.Order,
        {"id": ORDER, "number": 1, "customer_name": "Alice", "items": [], "total_amount": 20, "currency": "USD",
         "status": "PENDING", "cancellation_reason": None, "created_at": NOON.isoformat(), "paid_at": None,
         "updated_at": NOON.isoformat(), "expires_at": "2100-01-01T00:00:00Z", "payment_status": "REQUIRES_ACTION",
         "refunded_amount": 0},
    )  # fmt: skip
    progress = orderpay.OrderProgress("reserved", 1, 0, True, None, NOON, None, None, ())
    waiting = story.Story(replace(order, next_action=action), progress=progress)
    assert [step.note for step in story.rail(waiting) if step.label == "Attempt 1"] == ["the payer has to confirm it"]
    assert ("The payer confirms it at the bank, or it is called off", NOON) in story.next_up(waiting)
    assert [each.name for each in story.actions(waiting)] == ["look-again", "cancel"]
    assert "pay" in [each.name for each in story.actions(replace(waiting, order=order))]


def mail(state: str = "sent", **more: Any) -> orderpay.Mail:
    told: dict[str, Any] = {
        "id": "m-1",
        "order_id": ORDER,
        "event_id": "e-1",
        "subject": "Payment received for order 1",
        "to": "o***@localhost",
        "state": state,
        "tries": 1,
        "last_error": None,
        "next_attempt_at": None,
        "created_at": NOON,
        "sent_at": NOON + timedelta(seconds=3) if state == "sent" else None,
    }
    return orderpay.Mail(**{**told, **more})


@pytest.fixture
def has_mails(settings: Any) -> Iterator[None]:
    settings.NOTIFY_URL = "http://localhost:8004/api/mails/"
    services.looking.cache_clear()
    yield
    services.looking.cache_clear()


@pytest.mark.parametrize(
    ("told", "title", "detail", "at_s"),
    [
        (mail(), "Mail sent to o***@localhost", "Payment received for order 1; 1 try", 3),
        (mail(to=None), "Mail sent", "Payment received for order 1; 1 try", 3),
        (
            mail("waiting", tries=2, last_error="SMTPConnectError"),
            "Mail waits to be sent",
            "Payment received for order 1; 2 tries; the last that failed: SMTPConnectError",
            0,
        ),
        (
            mail("given_up", tries=60, last_error="TimeoutError"),
            "Mail given up",
            "Payment received for order 1; 60 tries; the last that failed: TimeoutError",
            0,
        ),
    ],
)
def test_a_mail_stands_at_its_time_with_what_became_of_it(
    told: orderpay.Mail, title: str, detail: str, at_s: int
) -> None:
    """When it was sent; one that was not, when it was written."""
    (moment,) = story.timeline(story.Story(mails=[told]))
    assert (moment.lane, moment.title, moment.detail) == ("Mail", title, detail)
    assert (moment.at, moment.actor) == (NOON + timedelta(seconds=at_s), "the consumer of events")


@pytest.mark.usefixtures("has_mails")
def test_who_was_told_counts_the_mails() -> None:
    """And a mail that waits is what happens next."""
    later = NOON + timedelta(minutes=1)
    told = told_of(recorded(), mails=[mail(), mail("waiting", next_attempt_at=later), mail("given_up")])
    said = {each.name: (each.says, each.is_bad) for each in story.channels(told)}
    assert said["Mails"] == ("1 of 3 sent, 1 given up", True)
    assert ("“Payment received for order 1” is mailed", later) in story.next_up(told)
    assert _mails_of(told_of(recorded(), mails=[])) == ["none"]
    assert _mails_of(told_of(recorded())) == ["not known"]


def test_where_nobody_can_be_asked_for_mails_that_is_said() -> None:
    """But not where there is no broker, by which a mail could have been asked for."""
    assert _mails_of(told_of(recorded())) == ["not shown: NOTIFY_URL names no notify service"]
    assert _mails_of(told_of(recorded(broker=None))) == []


def _mails_of(told: story.Story) -> list[str]:
    return [each.says for each in story.channels(told) if each.name == "Mails"]


@pytest.mark.usefixtures("has_mails")
def test_the_mails_of_an_order_are_asked_for(client: Client, said: Callable[..., None]) -> None:
    """By the order's id; a notify service that is away takes nothing but them with it."""
    order: dict[str, Any] = {
        "id": ORDER,
        "number": 1,
        "customer_name": "Alice",
        "items": [],
        "total_amount": 20,
        "currency": "USD",
        "status": "PAID",
        "created_at": NOON.isoformat(),
        "updated_at": NOON.isoformat(),
        "refunded_amount": 0,
        **dict.fromkeys(("cancellation_reason", "paid_at", "expires_at", "payment_status")),
    }
    said("http://localhost:8000/api/orders/1/", order)
    text = client.get("/orders/1/").content.decode()
    assert "The notify service does not answer. What it knows is not shown" in text
    row = {**vars(mail()), "created_at": NOON.isoformat(), "sent_at": NOON.isoformat()}
    said(f"http://localhost:8004/api/mails/?order_id={ORDER}&per_page=100&cursor=", {"items": [row], "per_page": 100})
    text = client.get("/orders/1/").content.decode()
    assert "Mail sent to o***@localhost" in text
    assert "1 of 1 sent" in text
    assert "The notify service" not in text


@pytest.fixture
def client() -> Client:
    services.looking.cache_clear()
    return Client()


def test_a_request_is_found_by_its_id(client: Client, said: Callable[..., None]) -> None:
    """It leads to the order that it did something to."""
    row = {"aggregate_id": ORDER, "created_at": NOON.isoformat(), "published_at": None}
    said("http://localhost:8000/api/events/?request_id=ticket-4711", {"items": [_row(row), _row(row)]})
    answer = client.get("/search/?q=ticket-4711")
    assert (answer.status_code, answer["Location"]) == (302, f"/orders/{ORDER}/")


def test_a_request_that_did_several_things_lists_them(client: Client, said: Callable[..., None]) -> None:
    """Payments, where it did nothing to an order."""
    said("http://localhost:8000/api/events/?request_id=ticket-4711", {"items": []})
    rows = [_row({"aggregate_id": each, "created_at": NOON.isoformat(), "published_at": None}) for each in "ab"]
    said("http://localhost:8002/api/events/?request_id=ticket-4711", {"items": rows})
    text = client.get("/search/?q=ticket-4711").content.decode()
    assert '<a href="/payments/a/">' in text
    assert '<a href="/payments/b/">' in text


def _row(more: dict[str, Any]) -> dict[str, Any]:
    return {**vars(recorded()), "created_at": None, **more}


def test_who_was_signed_in_stands_in_the_story(client: Client) -> None:
    """By the request id, which services hand on; beside the key, which is what the services know."""
    token = services.person.set("ann@example.org")
    try:
        given = services.request_id()
    finally:
        services.person.reset(token)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", given)
    refunded = orderpay.Event(1, "payment.refunded", NOON, "order-service", {})
    told = story.Story(payment_events=[refunded], payment_recorded={1: recorded(request_id=given)})
    assert told.refunded_by == "order-service, for ann@example.org"
    assert [each.actor for each in story.timeline(told)] == ["order-service, for ann@example.org"]
    assert services.person_of(services.request_id()) == ""
    assert services.person_of("ticket.4711") == ""
