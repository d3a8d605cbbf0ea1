"""Once a gateway is configured that takes real money, nobody pays without any."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from payment_service.payments.clients.orders import OrderSeen
from payment_service.payments.gateways import registry
from payment_service.payments.models import Payment
from payment_service.payments.ops import checks
from payment_service.tests.conftest import ORDER, exact, trail
from payment_service.tests.fakes import FakeGateway, FakeOrders
from payment_service.tests.test_methods import DOORS, sent_to
from servicekit.idempotency.models import IdempotencyKey

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bank")]

STRIPE: Final = {"STRIPE_API_KEY": "sk_live_of_nobody"}
COURIER: Final = {"COD": "cash"}
# Every way of paying without money, at each door.
IDLE: Final = [
    ("/api/payments/", {}),
    ("/api/payments/", {"method": "DIRECT"}),
    ("/api/payments/", {"payment_method": "upi"}),
    ("/api/payments/", {"payment_method_details": {"token": "tok_ok"}}),
    ("/pay", {}),
    ("/pay", {"payment_method": "CARD", "payment_method_details": {"token": "tok_ok"}}),
    ("/v1/payments/charge", {}),
    ("/v1/payments/charge", {"method": "UPI"}),
    ("/api/v1/payments/process", {"payment_method": "paypal"}),
    ("/api/v1/payments/process", {"payment_method": "credit_card", "capture": False}),
    ("/api/v1/payments/process", {"payment_method_details": {"token": "tok_ok"}}),
]


def test_every_door_is_tried() -> None:
    """A door that is not in `IDLE` could give goods away."""
    missing = sorted({path for path, _ in IDLE} ^ set(DOORS.values()))
    assert not missing, f"IDLE of this file must have the doors of DOORS in test_methods.py: {missing}"


@pytest.fixture
def post(client: APIClient, orders: FakeOrders) -> Callable[..., Any]:
    orders.orders = {ORDER: OrderSeen(ORDER, "PENDING", Decimal("50.00"), "USD")}

    def send(path: str, more: dict[str, Any], **headers: Any) -> Any:
        body = {"order_id": ORDER, "amount": 50, "currency": "USD", **more}
        return client.post(path, sent_to(path, body), format="json", **headers)

    return send


@pytest.fixture(params=["stripe", "cash"])
def for_real(request: pytest.FixtureRequest, settings: Any) -> None:
    """A gateway that takes real money serves one of the methods."""
    if request.param == "stripe":
        settings.STRIPE_API_KEY = STRIPE["STRIPE_API_KEY"]
        settings.PAYMENT_GATEWAYS = {**settings.PAYMENT_GATEWAYS, "STRIPE": "stripe"}
    else:
        settings.PAYMENT_GATEWAYS = {**settings.PAYMENT_GATEWAYS, **COURIER}


@pytest.mark.usefixtures("for_real")
@pytest.mark.parametrize(("path", "more"), [*IDLE, ("/api/payments/", {"amount": 0})])
def test_what_takes_no_money_is_refused(post: Callable[..., Any], path: str, more: dict[str, Any]) -> None:
    """400 with a code, with and without a key; nothing is stored, told or kept."""
    for headers in ({}, {"HTTP_IDEMPOTENCY_KEY": "k"}):
        response = post(path, more, **headers)
        assert (response.status_code, exact(response)["code"]) == (400, "test_payments_off")
    assert (Payment.objects.count(), trail(), IdempotencyKey.objects.count()) == (0, [], 0)


@pytest.mark.usefixtures("for_real")
@pytest.mark.parametrize(("path", "more"), IDLE)
def test_test_payments_can_be_wanted(post: Callable[..., Any], settings: Any, path: str, more: dict[str, Any]) -> None:
    """TEST_PAYMENTS=on: as without any gateway that takes real money."""
    settings.TEST_PAYMENTS = True
    assert post(path, more).status_code in (200, 201)
    assert Payment.objects.get().status in ("CAPTURED", "AUTHORIZED")


@pytest.mark.usefixtures("for_real")
def test_a_payment_that_was_made_before_is_answered(post: Callable[..., Any], settings: Any) -> None:
    """A repeat moves no money; another amount and a voided payment are told apart as ever."""
    settings.TEST_PAYMENTS = True
    made = post("/api/payments/", {})
    settings.TEST_PAYMENTS = False
    again = post("/api/payments/", {})
    assert (again.status_code, again.content) == (200, made.content)
    assert exact(post("/api/payments/", {"amount": 51}))["code"] == "payment_amount_mismatch"


@pytest.mark.usefixtures("for_real")
def test_a_failed_payment_is_not_tried_again_without_money(post: Callable[..., Any], settings: Any) -> None:
    """It stays as it was."""
    card = {"payment_method_details": {"token": "tok_card_declined"}}
    settings.TEST_PAYMENTS = True
    post("/api/payments/", card)
    settings.TEST_PAYMENTS = False
    assert exact(post("/api/payments/", {}))["code"] == "test_payments_off"
    assert (Payment.objects.get().status, Payment.objects.get().attempt) == ("FAILED", 1)


def test_what_takes_money_is_not_refused(post: Callable[..., Any], settings: Any, gateway: FakeGateway) -> None:
    """The gateway that is configured works, without TEST_PAYMENTS."""
    gateway.takes_real_money = True
    assert exact(post("/api/payments/", {"method": "CARD"}))["status"] == "COMPLETED"
    assert exact(post("/api/payments/", {"order_id": 7}))["code"] == "test_payments_off"


def test_cash_is_the_couriers_to_take(post: Callable[..., Any], settings: Any) -> None:
    """Taken for real, and the record says by whom."""
    settings.PAYMENT_GATEWAYS = {**settings.PAYMENT_GATEWAYS, **COURIER}
    assert exact(post("/v1/payments/charge", {"method": "COD"}))["status"] == "SUCCESS"
    said = Payment.objects.get().provider_response
    assert said == {"gateway": "cash", "result": "to be taken by the courier"}


def test_without_a_gateway_for_real_money_everything_is_for_trying_out(post: Callable[..., Any]) -> None:
    """Nothing has to be said before the first order."""
    assert post("/api/payments/", {"order_id": str(uuid4())}).status_code == 201


IDLE_METHODS: Final = (
    "CARD (simulated), COD (simulated), CREDIT_CARD (simulated), DEBIT_CARD (simulated), DIRECT (direct), "
    "PAYPAL (simulated)"
)


@pytest.mark.parametrize(
    ("key", "table", "test_payments", "said"),
    [
        ("", {"STRIPE": "simulated"}, False, {"payments.W001": f"{IDLE_METHODS}, STRIPE (simulated)"}),
        ("sk_live_x", {"STRIPE": "stripe"}, False, {"payments.I001": IDLE_METHODS}),
        ("sk_live_x", {"STRIPE": "stripe"}, True, {"payments.W002": IDLE_METHODS}),
        (
            "sk_test_x",
            {"STRIPE": "stripe"},
            False,
            {"payments.I001": IDLE_METHODS, "payments.W003": " STRIPE (stripe)"},
        ),
        ("", {"DIRECT": "cash", "CARD": "cash"}, False, {"payments.I001": " COD (simulated)"}),
    ],
)
def test_a_deployment_names_each_method_that_takes_no_money(
    settings: Any, key: str, table: dict[str, str], test_payments: bool, said: dict[str, str]
) -> None:
    """`check --deploy` warns of what customers could pay with, and says what is refused."""
    registry.gateway.cache_clear()
    settings.STRIPE_API_KEY, settings.TEST_PAYMENTS = key, test_payments
    settings.PAYMENT_GATEWAYS = {**settings.PAYMENT_GATEWAYS, **table}
    settings.PAYMENT_GATEWAYS.pop("UPI")
    found = {each.id: each.msg for each in checks.methods_without_money_are_named()}
    assert list(found) == list(said)
    assert all(names in found[which] for which, names in said.items())


def test_where_all_methods_take_money_nothing_is_said(settings: Any) -> None:
    """Quiet."""
    settings.PAYMENT_GATEWAYS = dict.fromkeys(settings.PAYMENT_GATEWAYS, "cash")
    assert checks.methods_without_money_are_named() == []
