"""What the order shows of its money: how much went back, and what the gateway refuses for good to give back."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client

from order_service.orders import event_handlers, use_cases
from order_service.orders.api.presenters import cancelled, order_json
from order_service.orders.errors import NotCancellable
from order_service.orders.models import Order
from order_service.orders.ops.audit import invariants
from order_service.tests.conftest import Shop, the_order, trail
from servicekit import exactjson
from servicekit.events.models import Event
from servicekit.inbox.cloudevents import CloudEvent

REFUSED = "The money could not be given back"


@pytest.fixture
def blocked(shop: Shop) -> Order:
    """A paid order that is cancelled, and its gateway says: never."""
    order = shop.place()
    shop.payments.refuses = REFUSED
    return use_cases.cancel_order(str(order.uid), shop.run())


def violations() -> list[str]:
    return [
        finding.message for each in invariants.passes(3600.0) for batch in each.batches() for finding in batch.findings
    ]


def told(order: Order, kind: str) -> Any:
    return exactjson.decode(Event.objects.filter(aggregateid=str(order.uid), type=kind).latest("sequence").payload)


def look_again(shop: Shop, order: Order) -> Order:
    """What a notice of the payment service leads to."""
    return use_cases.look_again(str(order.uid), shop.run())


def test_nothing_has_gone_back_of_a_new_order(shop: Shop) -> None:
    """0.00, as money, and no word of a refusal."""
    body = order_json(shop.place())
    assert (body["refunded_amount"], "refund_blocked" in body) == (Decimal("0.00"), False)


def test_a_partial_refund_shows_as_an_amount_and_an_event(shop: Shop) -> None:
    """Each part once, however often it is heard of; the order stays paid, and the check across its books is content."""
    order = shop.place()
    for part, so_far in (("5.00", "5.00"), ("2.50", "7.50")):
        shop.payments.refund(order.uid, Decimal(part))
        for _ in range(2):
            seen = look_again(shop, order)
        assert (seen.status, order_json(seen)["refunded_amount"]) == ("PAID", Decimal(so_far))
        data = {"amount": Decimal(part), "refunded_amount": Decimal(so_far), "currency": "USD"}
        assert told(order, "order.partially_refunded") == data
    assert trail(order).count("order.partially_refunded") == 2
    assert (the_order().refunded_amount, the_order().payment_status) == (Decimal("7.50"), "PARTIALLY_REFUNDED")
    assert violations() == []


def test_a_reader_sees_it_before_anybody_has_told_the_order(shop: Shop) -> None:
    """Live, and the event still comes with the news."""
    order = shop.place()
    shop.payments.refund(order.uid, Decimal("5.00"))
    shown = use_cases.show_order(str(order.uid), shop.run())
    assert order_json(shown)["refunded_amount"] == Decimal("5.00")
    assert (the_order().refunded_amount, trail(order).count("order.partially_refunded")) == (Decimal("0.00"), 0)
    assert order_json(look_again(shop, order))["refunded_amount"] == Decimal("5.00")
    assert trail(order).count("order.partially_refunded") == 1


def test_the_rest_after_a_part_makes_it_refunded(shop: Shop) -> None:
    """All of it is back: REFUNDED, over the whole total."""
    order = shop.place()
    shop.payments.refund(order.uid, Decimal("5.00"))
    look_again(shop, order)
    shop.payments.refund(order.uid, Decimal("15.00"))
    refunded = look_again(shop, order)
    assert (refunded.status, order_json(refunded)["refunded_amount"]) == ("REFUNDED", Decimal("20.00"))
    assert violations() == []


def test_a_cancelled_paid_order_shows_all_of_it_as_refunded(shop: Shop) -> None:
    """In the cancellation's answer, and stored."""
    order = use_cases.cancel_order(str(shop.place().uid), shop.run())
    assert order_json(order)["refunded_amount"] == order_json(the_order())["refunded_amount"] == Decimal("20.00")


def test_news_of_a_part_waits_for_an_order_that_is_in_somebodys_hands(shop: Shop) -> None:
    """It is not disturbed, and is asked about again at rest."""
    order = shop.place()
    Order.objects.update(step="settled", due_at="2000-01-01T00:00:00Z")
    shop.payments.refund(order.uid, Decimal("5.00"))
    before = the_order().version
    look_again(shop, order)
    assert (the_order().version, the_order().ask_at is not None) == (before, True)


def test_a_refund_that_is_refused_for_good_is_asked_for_once(blocked: Order, shop: Shop) -> None:
    """PAID, with the reason; no worker asks again; the check across its books is content."""
    status, body = cancelled(blocked)
    assert (status, body["status"], body["refund_blocked"], body["refunded_amount"]) == (202, "PAID", REFUSED, 0)
    assert (shop.work(), shop.payments.calls["void"]) == (0, 1)
    order = the_order()
    assert (order.step, order.due_at, order.refund_blocked) == ("closed", None, REFUSED)
    assert trail(order)[-2:] == ["order.refund_begun", "order.refund_blocked"]
    assert told(order, "order.refund_blocked") == {"reason": REFUSED}
    assert violations() == []


def test_cancelled_again_it_is_tried_again(blocked: Order, shop: Shop) -> None:
    """Refused again it waits again; then it is refunded, and the stock is back once."""
    assert order_json(use_cases.cancel_order(str(blocked.uid), shop.run()))["refund_blocked"] == REFUSED
    shop.payments.refuses = ""
    order = use_cases.cancel_order(str(blocked.uid), shop.run())
    body = order_json(order)
    assert (body["status"], body["refunded_amount"], "refund_blocked" in body) == ("REFUNDED", Decimal("20.00"), False)
    assert shop.products.sold_returned[order.uid] == 1
    assert violations() == []


def test_settled_at_the_payment_service_the_order_follows(blocked: Order, shop: Shop) -> None:
    """Its notice makes the order REFUNDED."""
    shop.payments.blocked.clear()
    shop.payments.refund(blocked.uid, Decimal("20.00"))
    look_again(shop, blocked)
    shop.work()
    order = the_order()
    assert (order.status, order.refund_blocked, order.step) == ("REFUNDED", "", "closed")
    assert violations() == []


def test_hearing_of_it_again_changes_nothing(blocked: Order, shop: Shop) -> None:
    """One event, and nobody asks the gateway."""
    for _ in range(3):
        look_again(shop, blocked)
    assert (trail(blocked).count("order.refund_blocked"), shop.payments.calls["void"]) == (1, 1)


def test_a_paid_order_hears_of_a_refund_that_is_blocked_elsewhere(shop: Shop) -> None:
    """A client of the payment service has asked for it."""
    order = shop.place()
    shop.payments.blocked[order.uid] = REFUSED
    seen = look_again(shop, order)
    assert (seen.status, seen.refund_blocked, seen.due_at) == ("PAID", REFUSED, None)
    assert violations() == []


@pytest.fixture
def cancelled_and_kept(shop: Shop) -> Order:
    """Paid just as it was cancelled, and the money does not go back."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, order.total_amount)
    shop.payments.refuses = REFUSED
    return use_cases.cancel_order(str(order.uid), shop.run())


def test_money_that_a_cancelled_order_keeps_shows_and_is_tried_again_by_a_cancellation(
    cancelled_and_kept: Order, shop: Shop
) -> None:
    """CANCELLED and closed, its stock back; neither the worker nor a notice asks the gateway again."""
    order = cancelled_and_kept
    assert (order.status, order.step, order.refund_blocked) == ("CANCELLED", "closed", REFUSED)
    assert shop.products.reservations[order.uid] == "released"
    look_again(shop, order)
    assert (shop.work(), shop.payments.calls["void"]) == (0, 1)
    assert violations() == []
    shop.payments.refuses = ""
    done = use_cases.cancel_order(str(order.uid), shop.run())
    body = order_json(done)
    assert (body["status"], body["refunded_amount"], "refund_blocked" in body) == ("CANCELLED", Decimal("20.00"), False)
    with pytest.raises(NotCancellable):
        use_cases.cancel_order(str(order.uid), shop.run())
    assert violations() == []


def test_a_cancelled_order_follows_what_was_settled_by_hand(cancelled_and_kept: Order, shop: Shop) -> None:
    """Its notice clears the flag."""
    shop.payments.blocked.clear()
    shop.payments.refund(cancelled_and_kept.uid, Decimal("20.00"))
    look_again(shop, cancelled_and_kept)
    assert (the_order().refund_blocked, the_order().refunded_amount) == ("", Decimal("20.00"))
    assert violations() == []


@pytest.mark.parametrize("kind", ["payment.refund_blocked", "payment.void_blocked"])
def test_it_is_heard_of_from_kafka_too(shop: Shop, kind: str) -> None:
    """Where notices are off: the order is to ask about its payment."""
    order = shop.place()
    order_id = str(order.uid)
    event = CloudEvent("1", "/payment_service", kind, "x", None, order_id, 1, {"order_id": order_id})
    assert event_handlers.subscription().handlers[kind](event) == event_handlers.NOTED
    assert the_order().ask_at is not None


def test_a_person_finds_them(blocked: Order, shop: Shop, client: Client) -> None:
    """In the metric and in the admin's filter."""
    other: UUID = shop.place().uid
    assert "orders_refund_blocked 1.0" in client.get("/metrics").content.decode()
    client.force_login(User.objects.create_superuser("root", password="x"))
    page = client.get("/admin/orders/order/?refund=blocked").content.decode()
    assert (str(blocked.uid) in page, str(other) in page) == (True, False)


@pytest.mark.parametrize("change", [{"refunded_amount": Decimal("1.00")}, {"refund_blocked": "x"}])
def test_what_no_event_tells_of_is_found(shop: Shop, change: dict[str, Any]) -> None:
    """By the check across its books."""
    shop.place()
    Order.objects.update(**change)
    (message,) = violations()
    assert message.startswith(next(iter(change)))
