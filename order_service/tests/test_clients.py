"""What the two REST clients send, and what they make of every answer."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import requests
import responses
from responses.matchers import header_matcher

from order_service.orders.clients.payments import RestPayments
from order_service.orders.clients.products import CheckingProducts, ReservingProducts
from order_service.orders.ports import (
    ChargeRequest,
    Declined,
    LineAsked,
    LineFound,
    NotKnownYet,
    NotReserved,
    Paid,
    PaymentSeen,
    Refused,
    Reserved,
    Unreachable,
)
from servicekit import exactjson
from servicekit.tests.peers import client_that_never_waits, scripted_peer

ORDER = UUID("c1a2b3d4-e5f6-7890-abcd-ef1234567890")
PRODUCTS = "http://products.test/api/products/"
RESERVATION = f"http://products.test/api/reservations/{ORDER}/"
PAYMENTS = "http://payments.test/api/payments/"
ASKED = [LineAsked(1, 2), LineAsked(2, 1)]
MOUSE = {"product_id": 2, "name": "Mouse", "unit_price": "20.00", "quantity": 1}
KEYBOARD = {"product_id": 1, "name": "Keyboard", "unit_price": "30.00", "quantity": 2}
CHARGE = ChargeRequest(ORDER, Decimal("50.00"), "USD", "CARD", "tok_ok", "order-x-pay-1")


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with scripted_peer() as mock:
        yield mock


def products() -> ReservingProducts:
    return ReservingProducts(client_that_never_waits(PRODUCTS), deadline_s=5)


def payments() -> RestPayments:
    return RestPayments(client_that_never_waits(PAYMENTS), default_currency="USD")


def payment(**more: object) -> dict[str, object]:
    return {"order_id": str(ORDER), "status": "COMPLETED", "amount": 50, **more}


def charge() -> object:
    return payments().charge(CHARGE, time_left_s=5)


def test_reserving_puts_the_lines_under_the_order_s_id(wire: responses.RequestsMock) -> None:
    """One PUT with all lines; exact prices come back, in the order in which they were asked for."""
    lines = '{"product_id":2,"name":"Mouse","unit_price":20,"quantity":1}'
    lines += ',{"product_id":1,"name":"Keyboard","unit_price":30.10,"quantity":2}'
    wire.put(RESERVATION, body=f'{{"items":[{lines}]}}', status=201)
    outcome = products().reserve(ORDER, ASKED)
    assert outcome == Reserved(
        (LineFound(1, "Keyboard", Decimal("30.10"), 2), LineFound(2, "Mouse", Decimal("20.00"), 1))
    )
    assert exactjson.decode(wire.calls[0].request.body or b"") == {
        "items": [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}]
    }


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "product_not_found", "Product 2 not found"),
        (409, "out_of_stock", "Product 2 is out of stock"),
    ],
)
def test_refusal_names_the_product_and_keeps_what_was_found(
    wire: responses.RequestsMock, status: int, code: str, reason: str
) -> None:
    """The product service's no, in the client's words."""
    wire.put(RESERVATION, json={"error": "x", "code": code, "product_id": 2, "items": [KEYBOARD]}, status=status)
    assert products().reserve(ORDER, ASKED) == NotReserved(reason, (LineFound(1, "Keyboard", Decimal("30.00"), 2),))


def test_reservation_that_was_released_is_a_no(wire: responses.RequestsMock) -> None:
    """A tombstone answers a late reservation."""
    wire.put(RESERVATION, json={"error": "x", "code": "reservation_released"}, status=409)
    assert products().reserve(ORDER, ASKED) == NotReserved("Stock could not be reserved", ())


def test_outage_is_tried_three_times(wire: responses.RequestsMock) -> None:
    """5xx, no connection and no answer are all worth another try; then it is unreachable."""
    wire.put(RESERVATION, status=500)
    wire.put(RESERVATION, body=requests.ConnectionError("reset"))
    wire.put(RESERVATION, body=requests.ReadTimeout())
    with pytest.raises(Unreachable):
        products().reserve(ORDER, ASKED)
    assert len(wire.calls) == 3


@pytest.mark.parametrize("body", ["[]", "{}", '{"items":[{"product_id":1}]}', '{"items":7}', "not json", "<html>"])
def test_answer_that_makes_no_sense_is_an_outage(wire: responses.RequestsMock, body: str) -> None:
    """Never a crash, and never taken for a yes."""
    wire.add(responses.PUT, RESERVATION, body=body, status=200)
    with pytest.raises(Unreachable):
        products().reserve(ORDER, ASKED)


@pytest.mark.parametrize(
    ("status", "code", "sold"),
    [
        (200, "", True),
        (404, "reservation_not_found", False),
        (409, "reservation_released", False),
        (409, "out_of_stock", False),
        (404, "product_not_found", False),
    ],
)
def test_confirming(wire: responses.RequestsMock, status: int, code: str, sold: bool) -> None:
    """200 sells; 404 and 409 say in the product service's own words that nothing is held."""
    wire.post(f"{RESERVATION}confirm/", json={"error": "x", "code": code}, status=status)
    assert products().confirm(ORDER) is sold


def test_releasing(wire: responses.RequestsMock) -> None:
    """Of an order that has ended everything comes back, whoever may have said that it is sold."""
    wire.delete(RESERVATION + "?return=true", status=204, match_querystring=None)
    products().release(ORDER)
    assert str(wire.calls[0].request.url).endswith("/?return=true")


def test_release_that_is_refused_is_not_done(wire: responses.RequestsMock) -> None:
    """Only 204 counts."""
    wire.delete(RESERVATION, json={"code": "order_needs_stock"}, status=409)
    with pytest.raises(Unreachable):
        products().release(ORDER)


def checking(wire: responses.RequestsMock, *stocks: int | None) -> Reserved | NotReserved:
    for product_id, stock in enumerate(stocks, start=1):
        found = {"id": product_id, "name": "Keyboard", "price": "30.00", "stock": stock}
        wire.get(f"{PRODUCTS}{product_id}/", json=found, status=404 if stock is None else 200)
    return CheckingProducts(client_that_never_waits(PRODUCTS), deadline_s=5).reserve(ORDER, ASKED)


def test_product_service_without_reservations_is_asked_for_each_product(wire: responses.RequestsMock) -> None:
    """Existence and stock are checked; the first bad product in request order names the reason."""
    assert isinstance(checking(wire, 2, 1), Reserved)


@pytest.mark.parametrize(
    ("stocks", "reason"),
    [
        ((1, 1), "Product 1 is out of stock"),
        ((2, 0), "Product 2 is out of stock"),
        ((None, 0), "Product 1 not found"),
        ((0, None), "Product 1 is out of stock"),
    ],
)
def test_first_bad_product_names_the_reason(
    wire: responses.RequestsMock, stocks: tuple[int | None, ...], reason: str
) -> None:
    """In request order, whatever is wrong."""
    outcome = checking(wire, *stocks)
    assert isinstance(outcome, NotReserved)
    assert outcome.reason == reason


def test_charge_carries_its_key_and_an_exact_amount(wire: responses.RequestsMock) -> None:
    """The derived key is the Idempotency-Key; 50.00 is a number with two decimals."""
    wire.post(
        PAYMENTS,
        body=f'{{"order_id":"{ORDER}","status":"COMPLETED","amount":50.00}}',
        status=201,
        match=[header_matcher({"Idempotency-Key": "order-x-pay-1"})],
    )
    assert charge() == Paid()
    sent = wire.calls[0].request.body
    assert b'"amount":50.00' in (sent if isinstance(sent, bytes) else b"")
    assert exactjson.decode(sent or b"") == {
        "order_id": str(ORDER),
        "amount": Decimal("50.00"),
        "currency": "USD",
        "method": "CARD",
        "payment_method_details": {"token": "tok_ok"},
    }


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, payment(), Paid()),
        (200, payment(amount=49), Refused("payment_amount_mismatch")),
        (200, payment(currency="JPY"), Refused("payment_amount_mismatch")),
        (200, payment(status="PENDING"), NotKnownYet()),
        (201, payment(status="FAILED"), Declined("failed", retryable=True)),
        (
            201,
            payment(status="FAILED", failure_code="x", retryable=False),
            Declined("x", retryable=False),
        ),
        (200, payment(status="REFUNDED"), Refused("payment_refunded")),
        (409, {"error": "x", "code": "payment_voided"}, Refused("payment_voided")),
        (409, {"error": "x", "code": "idempotency_key_in_use"}, NotKnownYet()),
        (400, {"error": "x", "code": "invalid"}, Refused("invalid")),
        (422, ["?"], Refused("status_422")),
    ],
)
def test_what_each_answer_to_a_charge_means(
    wire: responses.RequestsMock, status: int, body: Any, outcome: object
) -> None:
    """A no is a value; only the payment service's own words count."""
    wire.post(PAYMENTS, json=body, status=status)
    assert charge() == outcome


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_charge_is_sent_once_and_its_outage_carries_retry_after(wire: responses.RequestsMock, status: int) -> None:
    """The saga counts attempts, not the client."""
    wire.post(PAYMENTS, status=status, headers={"Retry-After": "2"})
    with pytest.raises(Unreachable) as outage:
        charge()
    assert outage.value.retry_after_s == 2.0
    assert len(wire.calls) == 1


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"status":"COMPLETED"}', '{"status":"COMPLETED","amount":"x"}', "<html>"]
)
def test_charge_with_a_senseless_answer_is_not_known(wire: responses.RequestsMock, body: str) -> None:
    """Money may have moved, so this is never a no."""
    wire.post(PAYMENTS, body=body, status=201)
    with pytest.raises(Unreachable):
        charge()


def test_finding_a_payment(wire: responses.RequestsMock) -> None:
    """404 is no payment; anything else is read."""
    wire.get(f"{PAYMENTS}{ORDER}/", status=404, json={"error": "Payment not found"})
    wire.get(f"{PAYMENTS}{ORDER}/", json=payment())
    assert payments().find(ORDER) is None
    assert payments().find(ORDER) == PaymentSeen("COMPLETED", Decimal(50), "USD")


@pytest.mark.parametrize("status", [200, 202])
def test_voiding(wire: responses.RequestsMock, status: int) -> None:
    """Done or remembered, both are the payment service's word."""
    wire.post(f"{PAYMENTS}{ORDER}/void/", status=status, json=payment(status="VOIDED", amount=0))
    assert payments().void(ORDER) == PaymentSeen("VOIDED", Decimal(0), "USD")


OTHER = UUID("d1a2b3d4-e5f6-7890-abcd-ef1234567890")
CONFIRM = "http://products.test/api/reservations/confirm/"


def confirmed(*order_ids: UUID) -> list[dict[str, str]]:
    return [{"id": str(order_id), "status": "CONFIRMED"} for order_id in order_ids]


def test_many_are_confirmed_in_one_request(wire: responses.RequestsMock) -> None:
    """Only those of which it is said are sold; the others are asked about by themselves."""
    released = {"id": str(ORDER), "error": "Reservation was released", "code": "reservation_released"}
    wire.post(CONFIRM, json={"items": [released, *confirmed(OTHER)]})
    assert list(products().confirm_all([ORDER, OTHER])) == [OTHER]
    assert exactjson.decode(wire.calls[0].request.body or b"") == {"ids": [str(ORDER), str(OTHER)]}


@pytest.mark.parametrize(
    "said", [{"body": "<h1>No</h1>", "content_type": "text/html"}, {"json": {"code": "not_found"}}]
)
@pytest.mark.parametrize("status", [400, 404, 405, 409, 422])
def test_a_product_service_that_confirms_one_by_one_is_asked_so(
    wire: responses.RequestsMock, status: int, said: Any
) -> None:
    """And is not asked again for a minute whether it has learnt more."""
    now = [0.0]
    client = ReservingProducts(client_that_never_waits(PRODUCTS), deadline_s=5, clock=lambda: now[0])
    many = wire.post(CONFIRM, status=status, **said)
    one, other = (
        wire.post(f"http://products.test/api/reservations/{order_id}/confirm/", json={}) for order_id in (ORDER, OTHER)
    )
    for _ in range(2):
        assert list(client.confirm_all([ORDER, OTHER])) == [ORDER, OTHER]
    assert (many.call_count, one.call_count, other.call_count) == (1, 2, 2)
    now[0] = 60.0
    client.confirm_all([ORDER])
    assert many.call_count == 2


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"items": None},
        {"items": confirmed(ORDER, ORDER)},
        {"items": confirmed(ORDER, OTHER, UUID(int=1))},
        {"items": confirmed(UUID(int=1))},
        {"items": [{"id": ["x"], "status": "CONFIRMED"}]},
        {"items": [{"status": "CONFIRMED"}]},
    ],
)
def test_a_lie_about_many_sells_none(wire: responses.RequestsMock, answer: object) -> None:
    """What cannot be an answer to the question is none."""
    wire.post(CONFIRM, json=answer)
    with pytest.raises(Unreachable):
        products().confirm_all([ORDER, OTHER])


@pytest.mark.parametrize(
    "items", [[], [None], ["CONFIRMED"], [{"id": str(ORDER), "status": "HELD"}], [{"id": str(ORDER)}]]
)
def test_one_of_which_nothing_is_said_is_not_taken_for_sold(wire: responses.RequestsMock, items: object) -> None:
    """It is asked about by itself."""
    wire.post(CONFIRM, json={"items": items})
    assert list(products().confirm_all([ORDER, OTHER])) == []
