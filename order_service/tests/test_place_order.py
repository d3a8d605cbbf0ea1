"""Placing an order: paid at once, or ended with the reason that its customer reads."""

from decimal import Decimal

import pytest

from order_service.orders.models import OrderLine
from order_service.orders.ports import Refused
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import HARD_DECLINE, SOFT_DECLINE, STILL_ASKING, Fault


def test_order_is_paid_once_and_its_stock_is_sold(shop: Shop) -> None:
    """The happy path takes the exact total, sells the stock, and leaves nothing to do."""
    order = shop.place(quantity=2)
    assert (order.status, order.step, order.total_amount) == ("PAID", "closed", Decimal("30.00"))
    assert shop.payments.charged == {order.uid: 1}
    assert shop.payments.amounts[order.uid] == Decimal("30.00")
    assert shop.products.reservations == {order.uid: "sold"}
    assert trail(order) == ["order.created", "order.reserved", "order.paid", "order.closed"]
    assert the_order().due_at is None
    assert shop.work() == 0


def test_lines_keep_the_price_at_which_they_were_reserved(shop: Shop) -> None:
    """A later price change is no concern of this order."""
    shop.place(quantity=3)
    shop.products.price = Decimal("99.00")
    lines = OrderLine.objects.values_list("position", "product_id", "quantity", "name", "unit_price")
    assert list(lines) == [(1, 1, 3, "Product 1", Decimal("10.00")), (2, 2, 1, "Product 2", Decimal("10.00"))]


def test_refused_stock_cancels_with_its_reason_and_asks_for_no_money(shop: Shop) -> None:
    """The product service's no ends the order; what was found makes the total."""
    shop.products.refuse_with = "Product 2 not found"
    order = shop.place()
    assert (order.status, order.step) == ("CANCELLED", "closed")
    assert order.cancellation_reason == "Product 2 not found"
    assert order.total_amount == Decimal("10.00")
    assert shop.payments.calls == {}
    assert shop.products.reservations == {order.uid: "released"}
    assert order.payment_status == ""


def test_unreachable_product_service_cancels_and_releases_when_it_is_back(shop: Shop) -> None:
    """Nothing is charged, and stock that may have been held is given back by the worker."""
    shop.products.fail("reserve", Fault.OUTAGE_AFTER)
    shop.products.fail("release", Fault.OUTAGE_BEFORE)
    order = shop.place()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Product service unavailable")
    assert order.step == "compensating"
    assert shop.products.reservations == {order.uid: "held"}
    assert shop.work() == 1
    assert shop.products.reservations == {order.uid: "released"}
    assert the_order().step == "closed"
    assert shop.payments.calls == {}


def test_soft_decline_is_tried_twice_more_then_cancels(shop: Shop) -> None:
    """Exactly three attempts, each with its own derived key, with growing waits in between."""
    shop.payments.answers = [SOFT_DECLINE] * 5
    order = shop.place()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment failed")
    assert shop.payments.keys == [f"order-{order.uid}-pay-{n}" for n in (1, 2, 3)]
    assert shop.waits == [0.2, 0.4]
    assert trail(order) == [
        "order.created",
        "order.reserved",
        "order.payment_retried",
        "order.payment_retried",
        "order.cancelled",
        "order.closed",
    ]
    assert not shop.payments.holds_money(order.uid)
    assert shop.products.reservations == {order.uid: "released"}


@pytest.mark.parametrize("first", [SOFT_DECLINE, STILL_ASKING], ids=["soft decline", "not known yet"])
def test_a_second_attempt_that_succeeds_pays_the_order(shop: Shop, first: object) -> None:
    """What may end differently gets another attempt."""
    shop.payments.answers = [first]  # type: ignore[list-item]
    order = shop.place()
    assert (order.status, order.attempt) == ("PAID", 2)
    assert shop.payments.charged == {order.uid: 1}


@pytest.mark.parametrize("answer", [HARD_DECLINE, Refused("payment_amount_mismatch")], ids=["hard decline", "refused"])
def test_final_no_ends_the_order_after_one_attempt(shop: Shop, answer: object) -> None:
    """A hard decline or another 4xx is not asked again."""
    shop.payments.answers = [answer]  # type: ignore[list-item]
    order = shop.place()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment failed")
    assert shop.payments.calls["charge"] == 1
    assert shop.waits == []


def test_charge_whose_answer_was_lost_is_found_by_the_next_attempt(shop: Shop) -> None:
    """The money was taken once, and the order is paid."""
    shop.payments.fail("charge", Fault.OUTAGE_AFTER)
    order = shop.place()
    assert (order.status, order.attempt) == ("PAID", 2)
    assert shop.payments.charged == {order.uid: 1}


def test_charge_whose_every_answer_was_lost_is_given_back(shop: Shop) -> None:
    """The order is cancelled, so no money may be held for it."""
    shop.payments.fail("charge", Fault.OUTAGE_BEFORE, Fault.OUTAGE_BEFORE, Fault.OUTAGE_AFTER)
    order = shop.place()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment failed")
    assert shop.payments.statuses[order.uid] == "REFUNDED"
    assert shop.payments.charged == {order.uid: 1}


def test_unreachable_payment_service_does_not_keep_the_stock(shop: Shop) -> None:
    """The stock goes back at once; the void follows when the payment service can be reached."""
    shop.payments.fail("charge", *[Fault.OUTAGE_BEFORE] * 3)
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    order = shop.place()
    assert (order.status, order.step) == ("CANCELLED", "compensating")
    assert shop.products.reservations == {order.uid: "released"}
    shop.work()
    assert shop.payments.statuses[order.uid] == "VOIDED"
    assert the_order().step == "closed"


def test_total_beyond_twelve_digits_is_refused_before_any_money_moves(shop: Shop) -> None:
    """A total that no column holds cancels the order."""
    shop.products.price = Decimal("9999999999.99")
    order = shop.place()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Order total is too large")
    assert shop.payments.calls == {}
    assert shop.products.reservations == {order.uid: "released"}


def test_reservation_that_is_gone_at_confirmation_refunds_the_order(shop: Shop) -> None:
    """Nobody stays paid without stock."""
    order_id = shop.place(pay_later=True).uid
    shop.payments.pay(order_id, Decimal("20.00"))
    shop.products.reservations[order_id] = "released"
    shop.work()
    order = the_order()
    assert (order.status, order.step) == ("REFUNDED", "closed")
    assert shop.payments.statuses[order_id] == "REFUNDED"
