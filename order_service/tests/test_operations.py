"""What waits for a person and what must always be true, over HTTP: seen, taken up, and never done twice."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from order_service.orders.models import Order
from order_service.tests.conftest import Shop
from servicekit.events import store
from servicekit.events.models import DeadLetter, Event
from servicekit.inbox.models import Consumed, Parked
from servicekit.invariants.checker import Batch, Finding, Invariant, Pass
from servicekit.operations import checks

pytestmark = pytest.mark.django_db


def get(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def post(client: Client, path: str) -> tuple[int, Any]:
    answer = client.post(path, "{}", content_type="application/json")
    return answer.status_code, answer.json()


@pytest.fixture
def dead(shop: Shop) -> Event:
    """The first event of an order is refused by the broker; the others wait behind it."""
    shop.place()
    first = Event.objects.earliest("position")
    DeadLetter.objects.create(event=first, error="Broker: Message size too large")
    return first


def test_a_dead_event_is_seen_with_what_waits_behind_it(client: Client, dead: Event) -> None:
    """By the position with which it is taken up."""
    found = get(client, "/api/dead-letters/")
    (letter,) = found["items"]
    assert found["total"] == 1
    assert (letter["position"], letter["type"], letter["aggregate"]) == (dead.position, "order.created", "order")
    assert (letter["error"], letter["given_up_at"]) == ("Broker: Message size too large", None)
    assert letter["waiting"] == Event.objects.count() - 1


def test_a_dead_event_is_replayed_once(client: Client, dead: Event) -> None:
    """And then there is none any more."""
    path = f"/api/dead-letters/{dead.position}/replay/"
    assert post(client, path) == (200, {"count": 1})
    status, body = post(client, path)
    assert (status, body["code"]) == (404, "nothing_waits_there")
    assert DeadLetter.objects.count() == 0


def test_a_dead_event_is_given_up(client: Client, dead: Event) -> None:
    """It stays in the list and counts as published."""
    assert post(client, f"/api/dead-letters/{dead.position}/give-up/") == (200, {"count": 1})
    dead.refresh_from_db()
    assert dead.published_at is not None
    assert get(client, "/api/dead-letters/")["items"][0]["given_up_at"] is not None


def test_a_parked_message_is_seen_and_taken_again(client: Client) -> None:
    """Its consumer does that; nothing else is touched."""
    row = Parked.objects.create(
        consumer="orders", reason="malformed", detail="no JSON", topic="payments", partition=0, offset=7, headers="[]"
    )
    (seen,) = get(client, "/api/parked-messages/")["items"]
    assert (seen["number"], seen["reason"], seen["offset"], seen["replay_at"]) == (row.number, "malformed", 7, None)
    assert post(client, f"/api/parked-messages/{row.number}/replay/") == (200, {"count": 1})
    assert get(client, "/api/parked-messages/")["items"][0]["replay_at"] is not None
    assert post(client, f"/api/parked-messages/{row.number + 1}/replay/")[0] == 404


def test_every_invariant_is_told_with_what_it_was_checked_on(client: Client, shop: Shop) -> None:
    """All of them hold of a new order; without one nothing is proven."""
    assert get(client, "/api/invariants/")["outcome"] == "unproven"
    shop.place()
    report = get(client, "/api/invariants/?quiet_for=3600")
    by_name = {each["name"]: each for each in report["invariants"]}
    assert report["outcome"] == "holds"
    assert by_name["total_is_the_sum_of_its_lines"]["looked_at"] == 1
    assert by_name["total_is_the_sum_of_its_lines"]["rows"] == "orders"
    assert {violation for each in report["invariants"] for violation in each["violations"]} == set()


def test_a_violation_is_told_of_all_and_of_its_order(client: Client, shop: Shop) -> None:
    """With the order that it is about, and at that order."""
    order, other = shop.place(), shop.place()
    Order.objects.filter(pk=order.pk).update(total_amount="1.00")
    report = get(client, "/api/invariants/")
    (violated,) = [each for each in report["invariants"] if each["name"] == "total_is_the_sum_of_its_lines"]
    assert report["outcome"] == "violated"
    assert all(str(order.uid) in each for each in violated["violations"])
    own = {each["name"]: each for each in get(client, f"/api/orders/{order.number}/progress/")["invariants"]}
    assert own["total_is_the_sum_of_its_lines"]["violations"]
    (holds,) = {bool(each["violations"]) for each in get(client, f"/api/orders/{other.number}/progress/")["invariants"]}
    assert holds is False


def test_a_check_that_takes_too_long_says_that_it_is_incomplete() -> None:
    """And how far it came."""
    invariant = Invariant("I1", "x", "Must be.", "Do.")

    def batches() -> Any:
        yield Batch(400, ())
        yield Batch(400, (Finding(invariant, "row", "wrong"),))

    clock = iter([0.0, 11.0, 11.0])
    said = checks.report([Pass("rows", (invariant,), batches)], limit_s=10.0, clock=lambda: next(clock))
    assert (said["outcome"], said["invariants"][0]["looked_at"]) == ("incomplete", 400)


def test_a_wrong_parameter_is_refused(client: Client) -> None:
    """Never ignored."""
    assert client.get("/api/invariants/?quiet_for=x").status_code == 400


def test_an_order_says_what_happens_next_and_when(client: Client, shop: Shop) -> None:
    """One that waits for its customer expires; one that is done has nothing to do."""
    waiting = shop.place(pay_later=True)
    found = get(client, f"/api/orders/{waiting.uid}/progress/")
    assert (found["step"], found["pay_later"], found["unfinished_since"]) == ("reserved", True, None)
    assert found["due_at"] is not None
    done = get(client, f"/api/orders/{shop.place().number}/progress/")
    assert (done["step"], done["attempt"], done["due_at"]) == ("closed", 1, None)
    Order.objects.filter(pk=waiting.pk).update(ask_at=timezone.now())
    assert get(client, f"/api/orders/{waiting.uid}/progress/")["recheck_at"] is not None
    assert client.get("/api/orders/4711/progress/").status_code == 404


def test_events_are_found_by_their_order_and_by_the_request_that_caused_them(client: Client, shop: Shop) -> None:
    """Oldest first, with nobody else's among them."""
    shop.place()
    body = {"customer_name": "Bo", "product_ids": [1], "payment": "later"}
    placed = client.post(
        "/api/orders/", body, content_type="application/json", headers={"X-Request-ID": "ticket-4711"}
    ).json()
    by_order = get(client, f"/api/events/?aggregate_id={placed['id']}")["items"]
    assert [each["type"] for each in by_order] == [each["type"] for each in store.of("order", placed["id"])]
    assert {(each["request_id"], each["relay_state"], each["broker"]) for each in by_order} == {
        ("ticket-4711", "waiting", None)
    }
    assert get(client, "/api/events/?request_id=ticket-4711")["items"] == by_order
    assert get(client, "/api/events/?request_id=ticket-4712")["items"] == []


def test_a_request_id_that_may_be_a_card_number_is_not_kept(client: Client, shop: Shop) -> None:
    """It is answered with as it came."""
    body = {"customer_name": "Bo", "product_ids": [1], "payment": "later"}
    given = {"X-Request-ID": "4242424242424242"}
    answer = client.post("/api/orders/", body, content_type="application/json", headers=given)
    assert answer["X-Request-ID"] == "4242424242424242"
    assert set(Event.objects.values_list("request_id", flat=True)) == {None}


def test_the_brokers_word_on_each_event_is_told(client: Client, dead: Event) -> None:
    """Which it has, which it refuses and why, which a person gave up."""
    Event.objects.filter(position=dead.position + 1).update(published_at=timezone.now())
    path = f"/api/events/?aggregate_id={dead.aggregateid}"
    found = get(client, path)["items"]
    said = [(each["relay_state"], each["error"], each["published_at"] is not None) for each in found[:3]]
    assert said == [
        ("dead", "Broker: Message size too large", False),
        ("published", None, True),
        ("waiting", None, False),
    ]
    post(client, f"/api/dead-letters/{dead.position}/give-up/")
    assert get(client, path)["items"][0]["relay_state"] == "given_up"


@pytest.mark.parametrize("query", ["", "aggregate_id=x&request_id=y", "aggregate_id=", "order=7"])
def test_events_of_nobody_in_particular_are_not_listed(client: Client, query: str) -> None:
    """One of the two is asked for, and nothing else."""
    assert client.get(f"/api/events/?{query}").status_code == 400


def test_an_event_that_had_its_effect_is_told_of(client: Client) -> None:
    """Of this service's own consumer."""
    for consumer, event_id in (("order_service", "a"), ("another", "b"), ("order_service", "c")):
        Consumed.objects.create(consumer=consumer, source="payment_service", event_id=event_id)
    found = get(client, "/api/consumed-events/?event_ids=a,b,x")["items"]
    assert [(each["consumer"], each["source"], each["event_id"]) for each in found] == [
        ("order_service", "payment_service", "a")
    ]
