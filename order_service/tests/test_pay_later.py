"""An order that waits for its payment: settled by looking again, expired, or cancelled."""

from decimal import Decimal

import pytest

from order_service.orders import saga, use_cases, writes
from order_service.orders.errors import NotCancellable, OrderNotFound, PaymentServiceUnavailable
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import Fault

TOTAL = Decimal("20.00")


def test_order_waits_with_its_stock_held_and_nothing_charged(shop: Shop) -> None:
    """PENDING until `expires_at`; no worker touches it before."""
    order = shop.place(pay_later=True)
    assert (order.status, order.step, order.total_amount) == ("PENDING", "reserved", TOTAL)
    assert order.expires_at is not None
    assert shop.products.reservations == {order.uid: "held"}
    assert shop.payments.calls == {}


def test_looking_again_at_a_paid_order_settles_it(shop: Shop) -> None:
    """The payment service's answer settles the order, and its stock is sold."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, TOTAL)
    order = use_cases.look_again(str(order.uid), shop.run())
    assert (order.status, order.step, order.payment_status) == ("PAID", "closed", "COMPLETED")
    assert shop.products.reservations == {order.uid: "sold"}


def test_looking_again_twice_changes_nothing_more(shop: Shop) -> None:
    """Notices may come any number of times."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, TOTAL)
    use_cases.look_again(str(order.uid), shop.run())
    events = trail(order)
    use_cases.look_again(str(order.uid), shop.run())
    assert trail(order) == events


@pytest.mark.parametrize(("amount", "currency"), [("19.99", "USD"), ("20.01", "USD"), ("20.00", "JPY")])
def test_wrong_amount_does_not_settle(shop: Shop, amount: str, currency: str) -> None:
    """Only exactly the total in the order's currency pays an order; at its expiry anything else goes back."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, Decimal(amount), currency)
    assert use_cases.look_again(str(order.uid), shop.run()).status == "PENDING"
    shop.work()
    assert the_order().status == "CANCELLED"
    assert shop.payments.statuses[order.uid] == "REFUNDED"


def test_looking_again_without_a_payment_changes_nothing(shop: Shop) -> None:
    """Nobody can mark an order paid by calling it."""
    order = shop.place(pay_later=True)
    events = trail(order)
    assert use_cases.look_again(str(order.uid), shop.run()).status == "PENDING"
    assert trail(order) == events


def test_looking_again_says_when_the_payment_service_is_away(shop: Shop) -> None:
    """No answer is no news: nothing moves."""
    order = shop.place(pay_later=True)
    shop.payments.fail("find", Fault.OUTAGE_BEFORE)
    with pytest.raises(PaymentServiceUnavailable):
        use_cases.look_again(str(order.uid), shop.run())
    assert the_order().status == "PENDING"


def test_unpaid_order_expires(shop: Shop) -> None:
    """After its time it is cancelled, its stock released, and a late payment is refused."""
    order = shop.place(pay_later=True)
    assert shop.work() == 1
    order = the_order()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment not received in time")
    assert shop.products.reservations == {order.uid: "released"}
    assert shop.payments.statuses[order.uid] == "VOIDED"


def test_order_that_was_paid_but_never_noticed_is_paid_at_expiry(shop: Shop) -> None:
    """The worker asks before it gives up."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, TOTAL)
    shop.work()
    assert the_order().status == "PAID"
    assert shop.payments.holds_money(order.uid)


def test_expiry_waits_for_a_payment_service_that_is_away(shop: Shop) -> None:
    """Whether it was paid is not known, so it is neither cancelled nor settled."""
    shop.place(pay_later=True)
    shop.payments.fail("find", Fault.OUTAGE_BEFORE)
    shop.make_due()
    claimed = writes.claim(the_order())
    assert claimed is not None
    assert saga.resume(claimed, shop.run()).status == "PENDING"
    shop.work()
    assert the_order().status == "CANCELLED"


def test_cancelling_a_pending_order_frees_stock_and_refuses_money(shop: Shop) -> None:
    """PENDING to CANCELLED."""
    order = shop.place(pay_later=True)
    cancelled = use_cases.cancel_order(str(order.number), shop.run())
    assert (cancelled.status, cancelled.cancellation_reason) == ("CANCELLED", "Cancelled on request")
    assert shop.products.reservations == {order.uid: "released"}
    assert shop.payments.statuses[order.uid] == "VOIDED"


def test_cancelling_a_paid_order_gives_everything_back(shop: Shop) -> None:
    """PAID to REFUNDED: the money first, then the sold stock, each once."""
    order = shop.place()
    refunded = use_cases.cancel_order(str(order.uid), shop.run())
    assert (refunded.status, refunded.step, refunded.payment_status) == ("REFUNDED", "closed", "REFUNDED")
    assert shop.products.sold_returned == {order.uid: 1}
    assert trail(order)[-3:] == ["order.refund_begun", "order.refunded", "order.closed"]


def test_refund_that_cannot_be_reached_is_remembered(shop: Shop) -> None:
    """The order stays PAID until the money is really back."""
    order = shop.place()
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    waiting = use_cases.cancel_order(str(order.uid), shop.run())
    assert (waiting.status, waiting.step) == ("PAID", "refunding")
    shop.payments.fail("void", Fault.OUTAGE_AFTER)
    assert use_cases.cancel_order(str(order.uid), shop.run()).status == "PAID"
    shop.work()
    assert the_order().status == "REFUNDED"
    assert shop.products.sold_returned == {order.uid: 1}


@pytest.mark.parametrize("pay_later", [True, False], ids=["cancelled", "refunded"])
def test_what_has_ended_cannot_be_cancelled(shop: Shop, pay_later: bool) -> None:
    """A second cancellation is refused and changes nothing."""
    order = shop.place(pay_later=pay_later)
    use_cases.cancel_order(str(order.uid), shop.run())
    events = trail(order)
    with pytest.raises(NotCancellable):
        use_cases.cancel_order(str(order.uid), shop.run())
    assert trail(order) == events


def test_refund_at_the_payment_service_reaches_the_order(shop: Shop) -> None:
    """Looking again at a refunded payment turns the order REFUNDED and gives the stock back."""
    order = shop.place()
    shop.payments.statuses[order.uid] = "REFUNDED"
    seen = use_cases.look_again(str(order.uid), shop.run())
    assert (seen.status, seen.step) == ("REFUNDED", "closed")
    assert shop.products.sold_returned == {order.uid: 1}


def test_partial_refund_only_shows(shop: Shop) -> None:
    """A part of the money back leaves the order PAID."""
    order = shop.place()
    shop.payments.statuses[order.uid] = "PARTIALLY_REFUNDED"
    seen = use_cases.look_again(str(order.uid), shop.run())
    assert (seen.status, seen.payment_status) == ("PAID", "PARTIALLY_REFUNDED")


def test_money_found_for_a_cancelled_order_is_given_back(shop: Shop) -> None:
    """Should a payment ever appear after the end, looking again undoes it."""
    order = shop.place(pay_later=True)
    use_cases.cancel_order(str(order.uid), shop.run())
    shop.payments.pay(order.uid, TOTAL)
    assert use_cases.look_again(str(order.uid), shop.run()).status == "CANCELLED"
    assert shop.payments.statuses[order.uid] == "REFUNDED"


@pytest.mark.parametrize(
    "reference", ["nonsense", "0", "-1", "99999999999999999999", "c1a2b3d4-e5f6-7890-abcd-ef1234567890"]
)
def test_unknown_and_malformed_references_are_not_found(shop: Shop, reference: str) -> None:
    """Every way of naming no order is the same answer."""
    with pytest.raises(OrderNotFound):
        use_cases.show_order(reference, shop.run())


def test_showing_an_order_falls_back_to_the_last_known_payment_status(shop: Shop) -> None:
    """A payment service that is away costs the reader nothing but freshness."""
    order = shop.place()
    shop.payments.statuses[order.uid] = "PARTIALLY_REFUNDED"
    assert use_cases.show_order(str(order.uid), shop.run()).payment_status == "PARTIALLY_REFUNDED"
    shop.payments.statuses[order.uid] = "REFUNDED"
    shop.payments.fail("glance", Fault.OUTAGE_BEFORE)
    assert use_cases.show_order(str(order.uid), shop.run()).payment_status == "PARTIALLY_REFUNDED"


def test_money_for_an_order_that_never_was_to_be_paid_goes_back(shop: Shop) -> None:
    """Cancelled before any attempt, then charged all the same through another door: its money is not kept."""
    shop.products.refuse_with = "Product 1 is out of stock"
    order = shop.place()
    assert (order.status, order.step, order.attempt) == ("CANCELLED", "closed", 0)
    shop.payments.pay(order.uid, TOTAL)
    assert use_cases.look_again(str(order.uid), shop.run()).step == "closed"
    assert shop.payments.statuses[order.uid] == "REFUNDED"
