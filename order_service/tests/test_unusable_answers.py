"""A peer that lies, or somebody else who lives at its address: not believed, told, and nothing waits unseen."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import responses
from structlog.testing import capture_logs

from order_service.orders import use_cases
from order_service.orders.clients.payments import RestPayments
from order_service.orders.clients.products import CheckingProducts, ReservingProducts
from order_service.orders.errors import PaymentServiceUnavailable
from order_service.orders.ports import (
    NO_VOID,
    ChargeRequest,
    LineAsked,
    LineFound,
    NotReserved,
    PaymentSeen,
    Refused,
    Reserved,
    Unreachable,
    Unusable,
)
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import HARD_DECLINE, Fault
from servicekit.db import clock
from servicekit.tests.peers import client_that_never_waits, scripted_peer

ORDER = UUID("c1a2b3d4-e5f6-7890-abcd-ef1234567890")
PRODUCTS = "http://products.test/api/products/"
RESERVATION = f"http://products.test/api/reservations/{ORDER}/"
PAYMENTS = "http://payments.test/api/payments/"
ASKED = [LineAsked(1, 2), LineAsked(2, 1)]
KEYBOARD = {"product_id": 1, "name": "Keyboard", "unit_price": 30, "quantity": 2}
MOUSE = {"product_id": 2, "name": "Mouse", "unit_price": 20, "quantity": 1}
PAYMENT = {"order_id": str(ORDER), "status": "COMPLETED", "amount": 50}
PRODUCT = {"id": 1, "name": "Keyboard", "price": 30, "stock": 2}
CHARGE = ChargeRequest(ORDER, Decimal("50.00"), "USD", "", "", "order-x-pay-1")

# What is no price, as JSON.
BAD_PRICES = [
    "-5.00", "-0.01", "NaN", "Infinity", "1e400", "1e999999999999999999", "10.005", "10000000000.00", "true", "null",
    "[]", "{}", '""', "false", '"5_0"', '"\u0665"', '" 5.00"', '"5.00 "', '"+5"', '"1e2"', '"NaN"', '"-5.00"',
    '"10.005"', '"0x10"',
]  # fmt: skip
BAD_COUNTS = ["-1", "0", "3", "999", "true", "1.5", "2.0", '"2"', "null", "[]", "9223372036854775808"]


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with scripted_peer(all_are_asked=False) as mock:
        yield mock


@pytest.fixture
def errors() -> Iterator[Callable[[], list[tuple[str, str, int | None]]]]:
    """What was logged as an error of a peer: (method, address, status)."""
    with capture_logs() as lines:
        yield lambda: [
            (line["method"], line["url"], line["status"])
            for line in lines
            if (line["event"], line["log_level"]) == ("http.unusable_answer", "error")
        ]


def reserve() -> Reserved | NotReserved:
    return ReservingProducts(client_that_never_waits(PRODUCTS), deadline_s=5).reserve(ORDER, ASKED)


def check_one() -> Reserved | NotReserved:
    return CheckingProducts(client_that_never_waits(PRODUCTS), deadline_s=5).reserve(ORDER, [LineAsked(1, 2)])


def payments() -> RestPayments:
    return RestPayments(client_that_never_waits(PAYMENTS), default_currency="USD")


def as_json(document: object, **raw: str) -> str:
    """A document in which some members of its first line, or of itself, stand for text that is no Python value."""
    text = json.dumps(document)
    for name, value in raw.items():
        text = text.replace(json.dumps(f"<{name}>"), value)
    return text


@pytest.mark.parametrize("price", BAD_PRICES)
def test_a_price_that_is_none_is_no_reservation(
    wire: responses.RequestsMock, errors: Callable[[], Any], price: str
) -> None:
    """Neither negative nor in other digits, no flag, and nothing that no column holds."""
    wire.put(
        RESERVATION, body=as_json({"items": [{**KEYBOARD, "unit_price": "<price>"}, MOUSE]}, price=price), status=201
    )
    with pytest.raises(Unusable):
        reserve()
    assert errors() == [("PUT", RESERVATION, 201)]


@pytest.mark.parametrize("price", BAD_PRICES)
def test_a_price_that_is_none_is_no_product(
    wire: responses.RequestsMock, errors: Callable[[], Any], price: str
) -> None:
    """The same where the product service knows no reservations."""
    wire.get(f"{PRODUCTS}1/", body=as_json({**PRODUCT, "price": "<price>"}, price=price))
    with pytest.raises(Unusable):
        check_one()
    assert errors() == [("GET", f"{PRODUCTS}1/", 200)]


def test_a_key_that_comes_twice_is_not_believed(wire: responses.RequestsMock, errors: Callable[[], Any]) -> None:
    """As in a request: of two prices, or two statuses of a payment, neither counts."""
    lines = as_json({"items": [{**KEYBOARD, "unit_price": "<price>"}, MOUSE]}, price='10.0, "unit_price": 0.01')
    wire.put(RESERVATION, body=lines, status=201)
    wire.post(PAYMENTS, body=as_json({**PAYMENT, "status": "<s>"}, s='"FAILED", "status": "COMPLETED"'), status=201)
    for ask in (reserve, lambda: payments().charge(CHARGE, time_left_s=5)):
        with pytest.raises(Unusable):
            ask()
    assert errors() == [("PUT", RESERVATION, 201), ("POST", PAYMENTS, 201)]


@pytest.mark.parametrize(
    ("price", "read"), [("30", "30.00"), ("30.1", "30.10"), ('"30.10"', "30.10"), ("3e1", "30.00"), ("-0.00", "0.00")]
)
def test_a_price_may_be_a_number_or_the_same_digits_quoted(wire: responses.RequestsMock, price: str, read: str) -> None:
    """Kept with two decimals, and never below nothing."""
    wire.get(f"{PRODUCTS}1/", body=as_json({**PRODUCT, "price": "<price>"}, price=price))
    found = check_one()
    assert isinstance(found, Reserved)
    assert str(found.lines[0].unit_price) == read


@pytest.mark.parametrize("quantity", BAD_COUNTS)
def test_another_quantity_than_was_asked_for_is_no_reservation(wire: responses.RequestsMock, quantity: str) -> None:
    """Who asks for two is not sold 999."""
    body = as_json({"items": [{**KEYBOARD, "quantity": "<quantity>"}, MOUSE]}, quantity=quantity)
    wire.put(RESERVATION, body=body, status=200)
    with pytest.raises(Unusable):
        reserve()


@pytest.mark.parametrize("stock", ["-1", "true", "1.5", '"7"', "null", "[]", "1e3"])
def test_a_stock_that_is_none_is_no_product(wire: responses.RequestsMock, stock: str) -> None:
    """A whole number that is not negative."""
    wire.get(f"{PRODUCTS}1/", body=as_json({**PRODUCT, "stock": "<stock>"}, stock=stock))
    with pytest.raises(Unusable):
        check_one()


@pytest.mark.parametrize("product_id", ["2", "true", '"1"', "1.0", "null"])
def test_another_product_than_was_asked_for_is_none(wire: responses.RequestsMock, product_id: str) -> None:
    """Its price would be another's."""
    wire.get(f"{PRODUCTS}1/", body=as_json({**PRODUCT, "id": "<id>"}, id=product_id))
    with pytest.raises(Unusable):
        check_one()


@pytest.mark.parametrize(
    "items",
    [
        [KEYBOARD],
        [KEYBOARD, MOUSE, {**MOUSE, "product_id": 3}],
        [KEYBOARD, KEYBOARD],
        [KEYBOARD, {**MOUSE, "product_id": 3}],
        [KEYBOARD, {**MOUSE, "product_id": True}],
        [KEYBOARD, {**MOUSE, "product_id": "2"}],
        [KEYBOARD, {**MOUSE, "name": None}],
        [KEYBOARD, {**MOUSE, "name": 7}],
        [KEYBOARD, "Mouse"],
        [KEYBOARD, None],
        [],
        {"0": KEYBOARD},
        None,
    ],
)
def test_other_lines_than_were_asked_for_are_no_reservation(wire: responses.RequestsMock, items: Any) -> None:
    """Each once, none missing, none more."""
    wire.put(RESERVATION, json={"items": items}, status=201)
    with pytest.raises(Unusable):
        reserve()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, {"code": "out_of_stock", "product_id": 9, "items": []}),
        (409, {"code": "out_of_stock", "product_id": "1", "items": []}),
        (409, {"code": "out_of_stock", "product_id": True, "items": []}),
        (409, {"code": "out_of_stock", "items": []}),
        (404, {"code": "product_not_found", "product_id": 1}),
        (404, {"code": "product_not_found", "product_id": 1, "items": [{**MOUSE, "unit_price": -1}]}),
        (404, {"code": "product_not_found", "product_id": 1, "items": [{**MOUSE, "quantity": 2}]}),
        (404, {"error": "Not found", "code": "not_found"}),
        (404, {"detail": "Not Found"}),
        (404, []),
        (405, {"error": "Method not allowed", "code": "method_not_allowed"}),
        (200, {"code": "out_of_stock", "product_id": 1, "items": []}),
        (204, None),
        (301, None),
        (302, {}),
        (418, {"code": "teapot"}),
    ],
)
def test_a_refusal_must_be_one_of_this_question(
    wire: responses.RequestsMock, errors: Callable[[], Any], status: int, body: Any
) -> None:
    """It names a product that was asked for; a wrong address and a redirect are no refusal."""
    content = b"" if body is None else json.dumps(body)
    wire.put(RESERVATION, body=content, status=status, headers={"Location": "http://elsewhere.test/"})
    with pytest.raises(Unusable):
        reserve()
    assert errors() == [("PUT", RESERVATION, status)]


@pytest.mark.parametrize("status", [200, 201, 301, 400, 404, 405, 409])
def test_a_page_of_html_is_told_with_its_address(
    wire: responses.RequestsMock, errors: Callable[[], Any], status: int
) -> None:
    """Asked once, for the next answer would be the same; whoever reads the log sees which address is wrong."""
    wire.put(RESERVATION, body="<html>It works!</html>", status=status)
    wire.get(f"{PRODUCTS}1/", body="<html>It works!</html>", status=status)
    wire.get(f"{PAYMENTS}{ORDER}/", body="<html>It works!</html>", status=status)
    for ask in (reserve, check_one, lambda: payments().find(ORDER)):
        with pytest.raises(Unusable):
            ask()
    assert errors() == [
        ("PUT", RESERVATION, status),
        ("GET", f"{PRODUCTS}1/", status),
        ("GET", f"{PAYMENTS}{ORDER}/", status),
    ]


@pytest.mark.parametrize("body", [None, {}, {"error": "Product not found"}, {"detail": "Not found."}])
def test_a_product_that_is_not_there_is_told_from_a_wrong_address(wire: responses.RequestsMock, body: Any) -> None:
    """Any product service's 404, but not that of a framework which knows no such route."""
    wire.get(f"{PRODUCTS}1/", body=b"" if body is None else json.dumps(body), status=404)
    assert check_one() == NotReserved("Product 1 not found", ())


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Key\u0000board", "Key board"),
        ("Key\r\nboard\t", "Key  board "),
        ("\u202eevil", " evil"),
        ("\u0085x", " x"),
        ("x" * 300, "x" * 255),
        ("K\u00fchler \u2603 \U0001f600", "K\u00fchler \u2603 \U0001f600"),
        ("", ""),
    ],
)
def test_a_name_is_kept_clean_and_as_long_as_its_column(wire: responses.RequestsMock, name: str, kept: str) -> None:
    """No control characters, no other direction of writing, 255 characters."""
    wire.get(f"{PRODUCTS}1/", json={**PRODUCT, "name": name})
    assert check_one() == Reserved((LineFound(1, kept, Decimal("30.00"), 2),))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, None),
        (404, {"code": "not_found"}),
        (404, {"detail": "Not found."}),
        (404, {"error": "Not found"}),
        (404, {}),
        (404, []),
        (405, {}),
        (409, None),
        (409, {}),
        (409, {"code": "order_needs_stock"}),
        (400, {"code": "reservation_released"}),
        (302, None),
        (201, {}),
    ],
)
def test_a_confirmation_by_nobody_refunds_nothing(
    wire: responses.RequestsMock, errors: Callable[[], Any], status: int, body: Any
) -> None:
    """Only the product service's own no takes a paid order back."""
    url = f"{RESERVATION}confirm/"
    wire.post(url, body=b"" if body is None else json.dumps(body), status=status)
    with pytest.raises(Unusable):
        ReservingProducts(client_that_never_waits(PRODUCTS), deadline_s=5).confirm(ORDER)
    assert errors() == [("POST", url, status)]


BAD_PAYMENTS = [
    {**PAYMENT, "order_id": "7d1f6a0e-0000-4000-8000-000000000000"},
    {**PAYMENT, "order_id": None},
    {**PAYMENT, "order_id": 7},
    {**PAYMENT, "order_id": [str(ORDER)]},
    {name: value for name, value in PAYMENT.items() if name != "order_id"},
    {**PAYMENT, "status": "completed"},
    {**PAYMENT, "status": "PAID"},
    {**PAYMENT, "status": True},
    {**PAYMENT, "status": None},
    {**PAYMENT, "status": ["COMPLETED"]},
    {name: value for name, value in PAYMENT.items() if name != "status"},
    {**PAYMENT, "amount": True},
    {**PAYMENT, "amount": None},
    {**PAYMENT, "amount": "5_0"},
    {**PAYMENT, "amount": "\u0665\u0660"},
    {**PAYMENT, "amount": 50.001},
    {**PAYMENT, "amount": 10**11},
    {**PAYMENT, "currency": "usd"},
    {**PAYMENT, "currency": None},
    {**PAYMENT, "currency": 840},
    {**PAYMENT, "currency": "XXX"},
    {**PAYMENT, "refunded_amount": 50},
    {**PAYMENT, "status": "PENDING", "refunded_amount": 1},
    {**PAYMENT, "status": "FAILED", "refunded_amount": 50},
    {**PAYMENT, "status": "REFUNDED", "refunded_amount": 1},
    {**PAYMENT, "status": "REFUNDED", "refunded_amount": 0},
    {**PAYMENT, "status": "REFUNDED", "refunded_amount": 99999},
    {**PAYMENT, "status": "VOIDED", "refunded_amount": 1},
    {**PAYMENT, "status": "PARTIALLY_REFUNDED", "refunded_amount": 50},
    {**PAYMENT, "status": "PARTIALLY_REFUNDED", "refunded_amount": 0},
    [PAYMENT],
    "COMPLETED",
]


@pytest.mark.parametrize("body", BAD_PAYMENTS)
def test_another_payment_than_was_asked_for_is_not_known(
    wire: responses.RequestsMock, errors: Callable[[], Any], body: Any
) -> None:
    """Of this order, with a status and an amount: else money may have moved or not, and that is neither yes nor no."""
    wire.post(PAYMENTS, json=body, status=201)
    wire.get(f"{PAYMENTS}{ORDER}/", json=body)
    wire.post(f"{PAYMENTS}{ORDER}/void/", json=body)
    asks: list[Callable[[], object]] = [
        lambda: payments().charge(CHARGE, time_left_s=5),
        lambda: payments().find(ORDER),
        lambda: payments().glance(ORDER),
        lambda: payments().void(ORDER),
    ]
    for ask in asks:
        with pytest.raises(Unusable):
            ask()
    assert len(errors()) == 4


@pytest.mark.parametrize(
    ("status", "refunded"),
    [("COMPLETED", 0), ("REFUNDED", 50), ("VOIDED", 0), ("VOIDED", 50), ("PARTIALLY_REFUNDED", 49)],
)
def test_what_was_refunded_may_be_told(wire: responses.RequestsMock, status: str, refunded: int) -> None:
    """Where it goes with the status and the amount."""
    wire.get(f"{PAYMENTS}{ORDER}/", json={**PAYMENT, "status": status, "refunded_amount": refunded})
    assert payments().find(ORDER) == PaymentSeen(status, Decimal(50), "USD", refunded=Decimal(refunded))


@pytest.mark.parametrize("status", ["REFUNDED", "VOIDED"])
def test_another_amount_than_was_paid_is_no_refund(shop: Shop, status: str) -> None:
    """Of 20.00 a cent: the order stays PAID and is asked about again, and looking again takes nothing from it."""
    order = shop.place()
    right = shop.payments.amounts[order.uid]
    shop.payments.statuses[order.uid], shop.payments.amounts[order.uid] = status, Decimal("0.01")
    with pytest.raises(PaymentServiceUnavailable):
        use_cases.look_again(str(order.uid), shop.run())
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)  # begins to refund; the lie comes to the worker
    use_cases.cancel_order(str(order.uid), shop.run())
    shop.payments.has_void = False
    shop.work_once()
    kept = the_order()
    assert (kept.status, kept.step, kept.refunded_amount) == ("PAID", "refunding", 0)
    assert shop.products.sold_returned == {}
    shop.payments.amounts[order.uid] = right
    shop.work_once()
    assert the_order().status == "REFUNDED"


def test_a_failed_payment_over_a_negative_amount_is_one(wire: responses.RequestsMock) -> None:
    """The door `payments` keeps those; a stranger who made one must not keep the order from its end."""
    wire.get(f"{PAYMENTS}{ORDER}/", json={**PAYMENT, "status": "FAILED", "amount": -5})
    assert payments().find(ORDER) == PaymentSeen("FAILED", Decimal("-5.00"), "USD")


@pytest.mark.parametrize("code", [None, 7, "x" * 65, "nul\u0000", "two words", ["x"]])
def test_a_code_that_is_none_is_not_kept(wire: responses.RequestsMock, code: Any) -> None:
    """It would stand in the order's trail."""
    wire.post(PAYMENTS, json={"code": code}, status=400)
    assert payments().charge(CHARGE, time_left_s=5) == Refused("status_400")


@pytest.mark.parametrize("status", [301, 307, 404, 405])
def test_a_charge_at_a_wrong_address_is_refused_and_told(
    wire: responses.RequestsMock, errors: Callable[[], Any], status: int
) -> None:
    """Nothing was charged there, so it is not asked again, in JSON or in HTML; and it stands in the log."""
    wire.post(PAYMENTS, json={"code": "not_found"}, status=status)
    wire.post(PAYMENTS, body="<html>nobody here</html>", status=status)
    assert payments().charge(CHARGE, time_left_s=5) == Refused("not_found")
    assert payments().charge(CHARGE, time_left_s=5) == Refused(f"status_{status}")
    assert errors() == [("POST", PAYMENTS, status)] * 2


@pytest.mark.parametrize(
    ("status", "body"), [(404, "<html>"), (404, '{"code":"not_found"}'), (405, "<html>"), (405, "{}")]
)
@pytest.mark.parametrize("seen", [None, "FAILED", "REFUNDED", "VOIDED"])
def test_a_payment_service_without_a_void_is_asked_what_it_holds(
    wire: responses.RequestsMock, status: int, body: str, seen: str | None
) -> None:
    """Seed 000 has POST and GET alone: where it holds nothing, nothing is to be undone."""
    wire.post(f"{PAYMENTS}{ORDER}/void/", body=body, status=status)
    wire.get(
        f"{PAYMENTS}{ORDER}/",
        json={**PAYMENT, "status": seen} if seen else {"error": "Payment not found"},
        status=200 if seen else 404,
    )
    found = payments().void(ORDER)
    assert (found and found.status) == seen


@pytest.mark.parametrize("seen", ["COMPLETED", "PARTIALLY_REFUNDED"])
def test_money_that_cannot_be_voided_is_blocked(wire: responses.RequestsMock, seen: str) -> None:
    """As where a gateway refuses for good: for a person."""
    wire.post(f"{PAYMENTS}{ORDER}/void/", body="<html>", status=404)
    wire.get(f"{PAYMENTS}{ORDER}/", json={**PAYMENT, "status": seen})
    assert payments().void(ORDER) == PaymentSeen(seen, Decimal("50.00"), "USD", refund_blocked=NO_VOID)


def test_a_payment_without_an_outcome_that_cannot_be_voided_is_asked_about_again(wire: responses.RequestsMock) -> None:
    """It may yet take the money."""
    wire.post(f"{PAYMENTS}{ORDER}/void/", body="<html>", status=404)
    wire.get(f"{PAYMENTS}{ORDER}/", json={**PAYMENT, "status": "PENDING"})
    with pytest.raises(Unusable, match="payment is PENDING, and its service has no void"):
        payments().void(ORDER)


def test_a_void_that_says_yes_while_money_is_held_is_not_believed(wire: responses.RequestsMock) -> None:
    """200 is done; 202 is remembered, and may still show the money."""
    wire.post(f"{PAYMENTS}{ORDER}/void/", json=PAYMENT, status=200)
    wire.post(f"{PAYMENTS}{ORDER}/void/", json=PAYMENT, status=202)
    with pytest.raises(Unusable):
        payments().void(ORDER)
    assert payments().void(ORDER).status == "COMPLETED"  # type: ignore[union-attr]


def test_an_order_ends_and_lets_go_of_what_a_liar_may_hold(shop: Shop) -> None:
    """CANCELLED with a reason of its own; stock is released, and no money is asked for."""
    shop.products.fail("reserve", Fault.NONSENSE)
    order = shop.place()
    assert (order.status, order.step, order.cancellation_reason) == (
        "CANCELLED",
        "closed",
        "Product service gave no usable answer",
    )
    assert shop.products.reservations == {order.uid: "released"}
    assert shop.payments.calls == {}


def test_a_payment_that_cannot_be_read_is_tried_again_and_voided(shop: Shop) -> None:
    """It may have taken the money: three attempts, then CANCELLED, and the money goes back."""
    shop.payments.fail("charge", *[Fault.NONSENSE] * 3)
    order = shop.place()
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment failed")
    assert shop.payments.calls["charge"] == 3
    assert shop.payments.statuses[order.uid] == "REFUNDED"


def test_what_a_person_must_put_right_is_asked_for_ever_less_often(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is over by itself, so at most 30 s; a wrong address or a liar is not, so up to 10 min."""
    waits: list[float] = []
    monkeypatch.setattr("order_service.orders.writes.clock.seconds_from_now", _remember(waits))
    shop.payments.answers = [HARD_DECLINE]
    shop.payments.fail("void", *[Fault.NONSENSE] * 12)
    shop.place()
    for _ in range(11):
        shop.work_once()
    assert [wait for wait in waits if wait != 25.0] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert trail(the_order()).count("order.postponed") == 12


def _remember(waits: list[float]) -> Callable[[float], Any]:
    right = clock.seconds_from_now

    def seconds_from_now(seconds: float) -> Any:
        waits.append(seconds)
        return right(seconds)

    return seconds_from_now


def test_an_outage_of_one_peer_does_not_wait_for_a_person_at_the_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shorter of the two waits counts."""
    waits: list[float] = []
    monkeypatch.setattr("order_service.orders.writes.clock.seconds_from_now", _remember(waits))
    shop.payments.answers = [HARD_DECLINE]
    shop.payments.fail("void", *[Fault.NONSENSE] * 7)
    shop.products.fail("release", *[Fault.OUTAGE_BEFORE] * 7)
    shop.place()
    for _ in range(6):
        shop.work_once()
    assert [wait for wait in waits if wait != 25.0] == [1, 2, 4, 8, 16, 30, 30]


def test_where_nothing_refuses_a_late_charge_it_is_looked_for_three_times(shop: Shop) -> None:
    """A payment service without a void: a charge whose answer was lost may still arrive, and is seen then."""
    shop.payments.has_void = False
    shop.payments.fail("charge", *[Fault.OUTAGE_BEFORE] * 3)
    order = shop.place()
    assert (order.status, order.step) == ("CANCELLED", "compensating")
    for step in ("compensating", "compensating", "closed"):
        shop.work_once()
        assert the_order().step == step
    assert shop.payments.calls["void"] == 4


def test_money_that_cannot_be_given_back_waits_for_a_person(shop: Shop) -> None:
    """A paid order of a payment service without a void: PAID, at rest and blocked; REFUNDED once it was given back."""
    order = shop.place()
    shop.payments.has_void = False
    blocked = use_cases.cancel_order(str(order.uid), shop.run())
    assert (blocked.status, blocked.step, blocked.refund_blocked) == ("PAID", "closed", NO_VOID)
    assert shop.work() == 0
    assert use_cases.show_order(str(order.uid), shop.run()).refund_blocked == NO_VOID
    shop.payments.statuses[order.uid] = "REFUNDED"
    assert use_cases.show_order(str(order.uid), shop.run()).refund_blocked == ""
    seen = use_cases.look_again(str(order.uid), shop.run())
    assert (seen.status, seen.refund_blocked) == ("REFUNDED", "")
    assert shop.products.sold_returned == {order.uid: 1}


def test_where_nothing_was_ever_charged_nothing_is_looked_for_twice(shop: Shop) -> None:
    """An order to be paid later that expires."""
    shop.payments.has_void = False
    shop.place(pay_later=True)
    assert shop.work() == 1
    order = the_order()
    assert (order.status, order.step, shop.payments.calls["void"]) == ("CANCELLED", "closed", 1)


def test_an_answer_that_cannot_be_used_is_an_outage_to_whoever_asks_for_no_more(shop: Shop) -> None:
    """It says nothing about what the other side did."""
    assert issubclass(Unusable, Unreachable)
