"""Which payment method a charge goes by, at each door: named by either name, or not named at all."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import pytest
from rest_framework.test import APIClient

from payment_service.payments.clients.orders import OrderSeen
from payment_service.payments.models import Payment
from payment_service.settings import HERE
from payment_service.tests.conftest import ORDER, exact
from payment_service.tests.fakes import FakeOrders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bank")]

DOORS: Final[Mapping[str, str]] = {
    "payments": "/api/payments/",
    "pay": "/pay",
    "charges": "/v1/payments/charge",
    "process": "/api/v1/payments/process",
}
# One that each door takes.
A_METHOD: Final = {"payments": "UPI", "pay": "UPI", "charges": "UPI", "process": "PAYPAL"}
Charge = Callable[..., Any]
# Door → what makes its body of a body with `order_id`, `amount`, `currency` and `payment_method_details`, where it has
# other words for these.
IN_ITS_WORDS: Final[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {}


def sent_to(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body of a charge, in the words of the door with that path."""
    translate = next((IN_ITS_WORDS[door] for door, its in DOORS.items() if its == path and door in IN_ITS_WORDS), None)
    return translate(body) if translate else body


@pytest.fixture
def charge(client: APIClient, orders: FakeOrders) -> Charge:
    """Charges 50.00 USD at a door, with what is given on top."""
    orders.orders = {ORDER: OrderSeen(ORDER, "PENDING", Decimal("50.00"), "USD")}

    def post(door: str, **more: Any) -> Any:
        body = {"order_id": ORDER, "amount": 50, "currency": "USD", **more}
        return client.post(DOORS[door], sent_to(DOORS[door], body), format="json")

    return post


def token(text: str) -> dict[str, Any]:
    return {"payment_method_details": {"token": text}}


def test_every_door_is_here() -> None:
    """Each folder of `api/` with views is one, and stands in the README under its name; at `stripe` nobody pays."""
    doors = {views.parent.name for views in (HERE / "payments" / "api").glob("*/views.py")} - {"stripe"}
    assert set(DOORS) == set(A_METHOD) == doors, "DOORS and A_METHOD of this file must have the doors of api/"
    readme = (HERE.parent / "README.md").read_text()
    unnamed = sorted(door for door in doors if f"| `{door}` |" not in readme)
    assert not unnamed, f"the README's table of the payment service has no door {', '.join(unnamed)}"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["method", "payment_method"])
@pytest.mark.parametrize("spelt", [str.upper, str.lower, str.title])
def test_a_method_has_two_names(charge: Charge, door: str, name: str, spelt: Callable[[str], str]) -> None:
    """Either names it, in capitals or not."""
    assert charge(door, **{name: spelt(A_METHOD[door])}).status_code in (200, 201)
    assert Payment.objects.get().method == A_METHOD[door]


@pytest.mark.parametrize("door", DOORS)
def test_both_names_may_say_the_same(charge: Charge, door: str) -> None:
    """Once in capitals and once not."""
    method = A_METHOD[door]
    assert charge(door, method=method, payment_method=method.lower()).status_code in (200, 201)
    assert Payment.objects.get().method == method


@pytest.mark.parametrize(
    ("door", "other"), [("payments", "CARD"), ("pay", "CARD"), ("charges", "CARD"), ("process", "CREDIT_CARD")]
)
def test_two_methods_are_refused(charge: Charge, door: str, other: str) -> None:
    """400 naming the field, nothing stored: nobody knows which was meant."""
    response = charge(door, method=A_METHOD[door], payment_method=other)
    assert (response.status_code, list(exact(response)["fields"])) == (400, ["payment_method"])
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["method", "payment_method"])
@pytest.mark.parametrize("unknown", ["BARTER", "\u017ftripe", "up\u0131", "CARD\u200b", "", 5, ["CARD"]])
def test_an_unknown_method_is_refused(charge: Charge, door: str, name: str, unknown: Any) -> None:
    """400 naming the field, nothing stored; letters that only Unicode folds into a known one do not name it."""
    response = charge(door, **{name: unknown})
    assert (response.status_code, list(exact(response)["fields"])) == (400, [name])
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(("door", "method"), [("payments", "DIRECT"), ("pay", "DIRECT"), ("charges", "CARD")])
@pytest.mark.parametrize("more", [{}, {"payment_method_details": {}}, {"payment_method_details": None}, token("")])
def test_without_method_and_token(charge: Charge, door: str, method: str, more: dict[str, Any]) -> None:
    """What needs nobody, or a card where that is the door's own."""
    assert charge(door, **more).status_code in (200, 201)
    assert Payment.objects.get().method == method


def test_one_door_asks_for_the_method(charge: Charge) -> None:
    """400 naming the field, nothing stored."""
    response = charge("process")
    assert exact(response)["fields"] == {"payment_method": ["This field is required."]}
    assert (response.status_code, Payment.objects.count()) == (400, 0)


@pytest.mark.parametrize("door", DOORS)
def test_a_token_means_a_card(charge: Charge, door: str) -> None:
    """It is not dropped where no method is named."""
    assert charge(door, **token("tok_ok")).status_code in (200, 201)
    assert Payment.objects.get().method == "CARD"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("more", [{}, {"payment_method": True}, {"method": True}])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_card_declined", "card_declined"),
        ("tok_insuficient_funds", "invalid_token"),
        ("tok_visa", "invalid_token"),
        ("tok_", "invalid_token"),
        ("TOK_ok", "invalid_token"),
    ],
)
def test_a_card_that_is_to_decline_takes_nothing(
    charge: Charge, door: str, more: dict[str, bool], text: str, code: str
) -> None:
    """Whether the method is named, by either name, or not; a mistyped token is not left to chance."""
    charge(door, **token(text), **dict.fromkeys(more, A_METHOD[door]))
    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code, payment.captured) == ("FAILED", code, 0)
    assert payment.retryable is (code == "insufficient_funds")


def test_the_list_knows_a_method_by_either_name(charge: Charge, client: APIClient) -> None:
    """Two that differ are refused, as anywhere else."""
    charge("payments", method="UPI")
    for query, total in (({"method": "upi"}, 1), ({"payment_method": "UPI"}, 1), ({"payment_method": "card"}, 0)):
        assert exact(client.get("/v1/payments", query))["total"] == total
    assert client.get("/v1/payments", {"method": "UPI", "payment_method": "CARD"}).status_code == 400


@pytest.mark.parametrize("door", ["payments", "pay", "charges"])
@pytest.mark.parametrize("capture", [False, None, 0, "false"])
def test_a_door_that_takes_money_at_once_is_not_told_to_set_it_aside(charge: Charge, door: str, capture: Any) -> None:
    """400 naming the field, nothing stored: the money would be taken. What is done anyway may be said."""
    response = charge(door, capture=capture)
    assert (response.status_code, list(exact(response)["fields"])) == (400, ["capture"])
    assert Payment.objects.count() == 0
    assert charge(door, capture=True).status_code in (200, 201)


@pytest.mark.parametrize("door", ["payments", "charges", "process"])
@pytest.mark.parametrize(("currency", "amount", "status"), [("jpy", "50.00", 0), ("KRW", "50.50", 400), ("X", 1, 400)])
def test_each_door_takes_the_currency(charge: Charge, door: str, currency: str, amount: Any, status: int) -> None:
    """It is not dropped; an amount that it has no coins for is refused, and nothing is stored."""
    response = charge(door, amount=amount, currency=currency, method=A_METHOD[door])
    assert response.status_code in ((status,) if status else (200, 201))
    assert list(Payment.objects.values_list("currency", flat=True)) == ([] if status else [currency.upper()])


@pytest.mark.parametrize("text", ["pm_card_visa", "anything", "token_ok"])
def test_other_tokens_are_left_to_chance(charge: Charge, text: str) -> None:
    """They may be another gateway's own."""
    charge("payments", **token(text))
    assert Payment.objects.get().status == "CAPTURED"
