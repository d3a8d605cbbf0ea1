"""An order whose payment has to be confirmed by its payer: it waits as one that is paid later does, and ends so."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import responses
from django.conf import settings

from order_service.orders import reads, use_cases
from order_service.orders.api import presenters
from order_service.orders.clients.payments import RestPayments
from order_service.orders.models import Order
from order_service.orders.ports import ActionRequired, NextAction, Unusable
from order_service.orders.worker_jobs import ask_once
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import SOFT_DECLINE, STILL_ASKING, Fault, Killed
from order_service.tests.test_payment_news import event, hear
from order_service.tests.test_unusable_answers import CHARGE, ORDER, PAYMENTS
from servicekit.db.clock import seconds_from_now
from servicekit.tests.checking import check
from servicekit.tests.peers import client_that_never_waits, scripted_peer

pytestmark = pytest.mark.django_db
PAGE = "http://localhost:8002/bank/confirm/secret/"
# Longer than an order waits.
FAR = datetime(2100, 1, 1, tzinfo=timezone.utc)
TO_CONFIRM = ActionRequired(NextAction(PAGE, FAR))


@pytest.fixture
def waiting(shop: Shop) -> Order:
    shop.payments.answers = [TO_CONFIRM]
    return shop.place()


def look(shop: Shop) -> Order:
    return use_cases.look_again(str(the_order().uid), shop.run())


def violations() -> list[Any]:
    return list(check().violations)


def test_it_waits_with_its_stock_held_and_shows_what_to_do(shop: Shop, waiting: Order) -> None:
    """201 PENDING with `next_action`; one attempt was made, and no worker touches it before its time."""
    status, body, _ = presenters.placed(waiting)
    ends = waiting.expires_at
    assert (status, body["status"], body["payment_status"]) == (201, "PENDING", "REQUIRES_ACTION")
    assert body["next_action"]["url"] == PAGE
    assert body["next_action"]["type"] == "redirect"
    assert ends is not None
    assert waiting.action_expires_at == ends  # no later than the order itself
    assert ends - timedelta(seconds=settings.ORDER_EXPIRES_AFTER_S) <= datetime.now(timezone.utc)
    assert shop.products.reservations == {waiting.uid: "held"}
    assert (len(shop.payments.keys), waiting.attempt, waiting.payment_token) == (1, 1, "")
    assert trail(waiting) == ["order.created", "order.reserved", "order.requires_action"]
    assert use_cases.show_order(str(waiting.number), shop.run()).shows_action
    assert violations() == []


def test_confirmed_it_is_paid(shop: Shop, waiting: Order) -> None:
    """By looking: once told, or by itself at the latest when it would expire. `next_action` is gone then."""
    shop.payments.pay(waiting.uid, waiting.total_amount)
    order = look(shop)
    assert (order.status, order.step) == ("PAID", "closed")
    assert "next_action" not in presenters.order_json(order)
    assert shop.products.reservations == {waiting.uid: "sold"}
    assert trail(waiting)[-2:] == ["order.paid", "order.closed"]
    assert violations() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("confirmation_declined", "Payment failed"),
        ("card_declined", "Payment failed"),
        ("not_confirmed", "Payment not received in time"),
    ],
)
def test_declined_it_is_cancelled_with_the_reason(shop: Shop, waiting: Order, code: str, reason: str) -> None:
    """It asks no payer again: no further attempt, the stock is back, and a late charge is refused."""
    shop.payments.decline(waiting.uid, code)
    order = look(shop)
    assert (order.status, order.step, order.cancellation_reason) == ("CANCELLED", "closed", reason)
    assert len(shop.payments.keys) == 1
    assert shop.products.reservations == {waiting.uid: "released"}
    assert shop.payments.statuses[waiting.uid] == "VOIDED"
    cancelled = reads.trail_of(order)[-2]
    assert (cancelled["type"], cancelled["data"]["cause"]) == ("order.cancelled", code)
    assert violations() == []


@pytest.mark.parametrize("ended", ["VOIDED", "REFUNDED"])
def test_a_payment_that_is_gone_ends_it(shop: Shop, waiting: Order, ended: str) -> None:
    """Voided or given back at the payment service, before the order has heard of it."""
    shop.payments.statuses[waiting.uid] = ended
    if ended == "REFUNDED":
        shop.payments.refunded[waiting.uid] = waiting.total_amount
    order = look(shop)
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment failed")
    assert violations() == []


def test_abandoned_it_expires(shop: Shop, waiting: Order) -> None:
    """The stock is back, and the payment is called off."""
    shop.work()
    order = the_order()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment not received in time")
    assert shop.payments.statuses[waiting.uid] == "VOIDED"
    assert shop.products.reservations == {waiting.uid: "released"}
    assert violations() == []


@pytest.mark.parametrize(
    ("ends", "status", "reason"),
    [
        (lambda shop, order: shop.payments.pay(order.uid, order.total_amount), "PAID", ""),
        (lambda shop, order: shop.payments.decline(order.uid, "card_declined"), "CANCELLED", "Payment failed"),
    ],
    ids=["confirmed", "declined"],
)
def test_what_nobody_told_is_found_when_it_expires(
    shop: Shop, waiting: Order, ends: Callable[[Shop, Order], None], status: str, reason: str
) -> None:
    """The worker asks before it gives up."""
    ends(shop, waiting)
    shop.work()
    assert (the_order().status, the_order().cancellation_reason) == (status, reason)


def test_cancelled_while_it_waits_it_holds_nothing(shop: Shop, waiting: Order) -> None:
    """And what is confirmed after that all the same goes back."""
    order = use_cases.cancel_order(str(waiting.number), shop.run())
    assert (order.status, shop.payments.statuses[waiting.uid]) == ("CANCELLED", "VOIDED")
    shop.payments.pay(waiting.uid, waiting.total_amount)
    assert look(shop).status == "CANCELLED"
    assert shop.payments.statuses[waiting.uid] == "REFUNDED"
    assert shop.products.reservations == {waiting.uid: "released"}
    assert violations() == []


@pytest.mark.parametrize("before", [SOFT_DECLINE, STILL_ASKING])
def test_it_counts_as_no_retry(shop: Shop, before: Any) -> None:
    """After an attempt that failed, the next one asks the payer; that is the attempt that is waited for."""
    shop.payments.answers = [before, TO_CONFIRM]
    order = shop.place()
    assert (order.status, order.attempt, len(shop.waits)) == ("PENDING", 2, 1)
    assert trail(order)[-2:] == ["order.payment_retried", "order.requires_action"]
    shop.payments.pay(order.uid, order.total_amount)
    assert look(shop).status == "PAID"
    assert violations() == []


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.OUTAGE_AFTER])
def test_an_answer_that_is_lost_is_asked_for_again(shop: Shop, fault: Fault) -> None:
    """Under the same key where the process died, the next where it did not: there is one payment, and it waits."""
    shop.payments.answers = [TO_CONFIRM, TO_CONFIRM]
    shop.payments.fail("charge", fault)
    try:
        shop.place()
    except Killed:
        shop.work_once()
    order = the_order()
    assert (order.status, order.step, order.payment_status) == ("PENDING", "reserved", "REQUIRES_ACTION")
    assert violations() == []


def test_it_is_looked_at_soon_whatever_is_told(shop: Shop, waiting: Order) -> None:
    """What was answered may be an answer that was kept, and the payer have confirmed it by then."""
    assert ask_once(shop.run()) == 0
    shop.payments.pay(waiting.uid, waiting.total_amount)
    Order.objects.update(ask_at=seconds_from_now(-1))
    assert ask_once(shop.run()) == 1
    assert (the_order().status, the_order().ask_at) == ("PAID", None)


@pytest.mark.parametrize("kind", ["successful", "failed", "voided", "refunded"])
def test_it_hears_of_its_payment_by_events(waiting: Order, kind: str) -> None:
    """Each is a wish to ask."""
    Order.objects.update(ask_at=None)
    assert hear(event(kind, str(waiting.uid))) == ["noted"]
    assert the_order().ask_at is not None


def test_an_order_that_its_customer_may_pay_again_hears_of_no_decline(shop: Shop) -> None:
    """Paid later, it can be paid with another card until it expires."""
    order = shop.place(pay_later=True)
    assert hear(event("failed", str(order.uid))) == ["no_news"]
    shop.payments.amounts[order.uid] = order.total_amount
    shop.payments.decline(order.uid, "card_declined")
    assert look(shop).status == "PENDING"


def test_an_order_that_is_paid_later_shows_what_to_do_as_well(shop: Shop) -> None:
    """Its customer pays through another door, with a card that has to be confirmed."""
    order = shop.place(pay_later=True)
    shop.payments.statuses[order.uid], shop.payments.amounts[order.uid] = "REQUIRES_ACTION", order.total_amount
    shop.payments.actions[order.uid] = TO_CONFIRM.action
    shown = presenters.order_json(use_cases.show_order(str(order.number), shop.run()))
    assert (shown["payment_status"], shown["next_action"]["url"]) == ("REQUIRES_ACTION", PAGE)
    shop.payments.pay(order.uid, order.total_amount)
    assert "next_action" not in presenters.order_json(use_cases.show_order(str(order.number), shop.run()))


# ---- as the payment service says it

NEXT = {"type": "redirect", "url": PAGE, "expires_at": "2025-11-10T12:20:00Z"}


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with scripted_peer() as mock:
        yield mock


@pytest.fixture
def payments() -> RestPayments:
    return RestPayments(client_that_never_waits(PAYMENTS), default_currency="USD")


def said(**more: Any) -> dict[str, Any]:
    return {"order_id": str(ORDER), "status": "REQUIRES_ACTION", "amount": 50, "next_action": NEXT, **more}


def test_it_is_understood(payments: RestPayments, wire: responses.RequestsMock) -> None:
    """In the answer to a charge, and wherever the payment is looked at."""
    wire.post(PAYMENTS, json=said(), status=201)
    wire.get(f"{PAYMENTS}{ORDER}/", json=said())
    action = NextAction(PAGE, datetime(2025, 11, 10, 12, 20, tzinfo=timezone.utc))
    assert payments.charge(CHARGE, time_left_s=5) == ActionRequired(action)
    seen = payments.find(ORDER)
    assert seen is not None
    assert (seen.status, seen.next_action, seen.has_ended_unpaid()) == ("REQUIRES_ACTION", action, False)


@pytest.mark.parametrize(
    "action",
    [
        None,
        "redirect",
        {},
        {"url": PAGE},
        {**NEXT, "url": "javascript:alert(1)"},
        {**NEXT, "url": "http://a b/"},
        {**NEXT, "url": "http://" + "x" * 2050},
        {**NEXT, "url": 5},
        {**NEXT, "expires_at": "2025-11-10T12:20:00"},
        {**NEXT, "expires_at": "soon"},
        {**NEXT, "expires_at": 5},
    ],
)
def test_what_nobody_can_do_is_no_answer(payments: RestPayments, wire: responses.RequestsMock, action: Any) -> None:
    """No page that a browser could be sent to, or no time: not believed."""
    wire.post(PAYMENTS, json=said(next_action=action), status=201)
    with pytest.raises(Unusable):
        payments.charge(CHARGE, time_left_s=5)
