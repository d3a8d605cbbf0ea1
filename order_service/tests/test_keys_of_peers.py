"""A peer that does not take our key: nothing was done there, and what a person has to put right is no "no"."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import responses
from django.utils import timezone

from order_service.orders import reads, use_cases
from order_service.orders.api.presenters import placed
from order_service.orders.clients import payments, products
from order_service.orders.clients.payments import RestPayments
from order_service.orders.clients.products import ReservingProducts
from order_service.orders.errors import PaymentServiceUnavailable
from order_service.orders.models import Order
from order_service.orders.ports import ChargeRequest, LineAsked, NotLetIn
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import Fault
from servicekit.settings.env import SecretSource
from servicekit.tests.peers import client_that_never_waits, scripted_peer

ORDER = UUID("c1a2b3d4-e5f6-7890-abcd-ef1234567890")
PRODUCTS = "http://products.test/api/products/"
RESERVATION = f"http://products.test/api/reservations/{ORDER}/"
PAYMENTS = "http://payments.test/api/payments/"
CHARGE = ChargeRequest(ORDER, Decimal("50.00"), "USD", "", "", "order-x-pay-1")
NO_SCOPE = {"error": "This API key lacks the scope x", "code": "insufficient_scope", "scope": "payments:charge"}


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with scripted_peer(all_are_asked=False) as mock:
        yield mock


def at_products() -> ReservingProducts:
    return ReservingProducts(client_that_never_waits(PRODUCTS), deadline_s=5)


def at_payments() -> RestPayments:
    return RestPayments(client_that_never_waits(PAYMENTS), default_currency="USD")


ASKS: dict[str, tuple[str, str, Callable[[], object]]] = {
    "reserve": ("PUT", RESERVATION, lambda: at_products().reserve(ORDER, [LineAsked(1, 2)])),
    "confirm": ("POST", f"{RESERVATION}confirm/", lambda: at_products().confirm(ORDER)),
    "release": ("DELETE", f"{RESERVATION}?return=true", lambda: at_products().release(ORDER)),
    "charge": ("POST", PAYMENTS, lambda: at_payments().charge(CHARGE, time_left_s=5)),
    "find": ("GET", f"{PAYMENTS}{ORDER}/", lambda: at_payments().find(ORDER)),
    "glance": ("GET", f"{PAYMENTS}{ORDER}/", lambda: at_payments().glance(ORDER)),
    "void": ("POST", f"{PAYMENTS}{ORDER}/void/", lambda: at_payments().void(ORDER)),
}


@pytest.mark.parametrize("call", ASKS)
@pytest.mark.parametrize(("status", "body"), [(401, "{}"), (401, "<html>"), (403, json.dumps(NO_SCOPE))])
def test_no_call_takes_a_refused_key_for_an_answer(
    wire: responses.RequestsMock, call: str, status: int, body: str
) -> None:
    """Neither for a decline, nor for stock or a payment that is not there."""
    method, url, ask = ASKS[call]
    wire.add(method, url, body=body, status=status)
    with pytest.raises(NotLetIn) as refusal:
        ask()
    assert refusal.value.status == status


def test_each_service_is_shown_the_key_that_is_for_it(wire: responses.RequestsMock, settings: Any) -> None:
    """And no other."""
    settings.PRODUCT_SERVICE_URL, settings.PAYMENT_SERVICE_URL = PRODUCTS, PAYMENTS
    settings.PRODUCT_SERVICE_KEY = SecretSource("PRODUCT_SERVICE_KEY", "for-products")
    settings.PAYMENT_SERVICE_KEY = SecretSource("PAYMENT_SERVICE_KEY", "for-payments")
    wire.delete(RESERVATION, status=204)
    wire.get(f"{PAYMENTS}{ORDER}/", status=404)
    products.cache_clear()
    payments.cache_clear()
    products().release(ORDER)
    payments().find(ORDER)
    products.cache_clear()
    payments.cache_clear()
    assert [call.request.headers["Authorization"] for call in wire.calls] == [
        "Bearer for-products",
        "Bearer for-payments",
    ]


def test_a_charge_that_may_not_be_asked_for_waits_for_a_person(shop: Shop) -> None:
    """Its order keeps its stock and its attempt, answers 202, and is paid when the key is put right."""
    shop.payments.fail("charge", *[Fault.NOT_LET_IN] * 3)
    order = shop.place()
    for _ in range(2):
        shop.work_once()
    waiting = the_order()
    assert (waiting.status, waiting.step, waiting.attempt, waiting.retry_count) == ("PENDING", "reserved", 1, 3)
    assert placed(order)[0] == 202
    assert shop.products.reservations == {order.uid: "held"}
    assert shop.payments.charged == {}
    why = [event["data"]["why"] for event in reads.trail_of(waiting) if event["type"] == "order.postponed"]
    assert why == ["status 401: scripted"] * 3
    shop.work_once()
    paid = the_order()
    assert (paid.status, paid.step, paid.attempt) == ("PAID", "closed", 1)
    assert shop.payments.charged == {order.uid: 1}


def test_a_person_who_takes_longer_than_an_order_keeps_its_stock_is_not_waited_for(shop: Shop, settings: Any) -> None:
    """CANCELLED as any order that was not paid in time: nobody is charged hours later."""
    shop.payments.fail("charge", *[Fault.NOT_LET_IN] * 2)
    order = shop.place()
    late = timezone.now() - timedelta(seconds=settings.ORDER_EXPIRES_AFTER_S + 1)
    Order.objects.update(created_at=late)
    shop.work()
    ended = the_order()
    assert (ended.status, ended.step) == ("CANCELLED", "closed")
    assert ended.cancellation_reason == "Payment not received in time"
    assert shop.products.reservations == {order.uid: "released"}
    assert shop.payments.charged == {}
    assert trail(ended).count("order.postponed") == 1


def test_stock_that_may_not_be_reserved_ends_the_order_as_any_unusable_answer_does(shop: Shop) -> None:
    """Nothing is held and nobody has paid: 503, and the key is given back for another try."""
    shop.products.fail("reserve", Fault.NOT_LET_IN)
    order = shop.place()
    status, body, headers = placed(order)
    assert (status, body["code"], headers) == (503, "product_service_unusable", {"Retry-After": "60"})
    assert shop.payments.calls == {}


@pytest.mark.parametrize("call", ["confirm", "void", "release"])
def test_what_was_begun_goes_on_when_the_key_is_put_right(shop: Shop, call: str) -> None:
    """A paid order stays PAID, a refund is on its way, stock is let go."""
    for peer in (shop.products, shop.payments):
        peer.fail(call, *[Fault.NOT_LET_IN] * 2)
    order = shop.place()
    assert order.status == "PAID"
    shop.work()
    use_cases.cancel_order(str(order.uid), shop.run())
    shop.work()
    assert (the_order().status, the_order().step) == ("REFUNDED", "closed")
    assert shop.products.reservations == {order.uid: "released"}


def test_looking_for_a_payment_changes_nothing(shop: Shop) -> None:
    """An outage, to whoever asks."""
    order = shop.place(pay_later=True)
    shop.payments.fail("find", Fault.NOT_LET_IN)
    with pytest.raises(PaymentServiceUnavailable):
        use_cases.look_again(str(order.uid), shop.run())
    assert the_order().status == "PENDING"
