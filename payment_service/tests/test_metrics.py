"""What `/metrics` says of payments, and of the gateways."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from payment_service.payments.errors import AmountNotPositive
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.metered import MeteredGateway
from payment_service.payments.models import Payment, Refund
from payment_service.payments.use_cases import charging
from payment_service.payments.use_cases.refunding import refund_payment
from payment_service.tests.conftest import asked
from payment_service.tests.fakes import FakeGateway
from servicekit.tests.scraping import Samples, scrape_samples

pytestmark = pytest.mark.django_db
CALLS = "gateway_call_duration_seconds_count"


@pytest.fixture
def scrape(client: APIClient) -> Callable[[], Samples]:
    return partial(scrape_samples, client.get)


def charge(number: int = 1, amount: str = "50.00", *, method: str = "CARD") -> Payment:
    return charging.charge_payment(asked(amount, order_id=str(number), method=method)).payment


def by_method(found: Samples) -> dict[str, float]:
    return {labels[1]: n for labels, n in found.items() if labels[0] == "payments_by_method_total"}


def calls(found: Samples, since: Samples) -> dict[tuple[str, ...], float]:
    """Calls to the fake gateway by (operation, outcome): these are counted in the process, so only the new ones."""
    new = {series: n - since.get(series, 0) for series, n in found.items() if series[:2] == (CALLS, "fake")}
    return {series[2:]: n for series, n in new.items() if n}


def test_everything_begins_at_zero(scrape: Callable[[], Samples]) -> None:
    """The names that a client's dashboards know are there from the start, every method among them."""
    found = scrape()
    assert (found[("payments_failed_total",)], found[("payments_refunded_total",)]) == (0, 0)
    assert by_method(found) == dict.fromkeys(
        ("DIRECT", "CARD", "UPI", "COD", "CREDIT_CARD", "DEBIT_CARD", "PAYPAL", "STRIPE"), 0
    )


def test_charges_count_by_their_method(gateway: FakeGateway, scrape: Callable[[], Samples]) -> None:
    """Those that took money and those that failed; a repeat of one is none."""
    gateway.script = ["ok", "decline"]
    charge(1)
    charge(1)
    charge(2)
    charge(3, method="DIRECT")
    found = scrape()
    assert {method: n for method, n in by_method(found).items() if n} == {"CARD": 2, "DIRECT": 1}
    assert found[("payments_failed_total",)] == 1


def test_an_attempt_that_fails_again_is_counted_again(gateway: FakeGateway, scrape: Callable[[], Samples]) -> None:
    """And the payment that succeeds in the end takes nothing back: counters only rise."""
    gateway.script = ["decline", "decline", "ok"]
    for _ in range(3):
        payment = charge()
    found = scrape()
    assert (payment.status, found[("payments_failed_total",)]) == ("CAPTURED", 2)


def test_an_amount_that_nobody_can_pay_has_failed(scrape: Callable[[], Samples]) -> None:
    """It is kept as a FAILED payment, and counted as one."""
    with pytest.raises(AmountNotPositive):
        charge(amount="0.00")
    assert scrape()[("payments_failed_total",)] == 1


def test_refunds_count_once_their_money_is_back(gateway: FakeGateway, scrape: Callable[[], Samples]) -> None:
    """Each part; not one that failed, not one that has no answer yet."""
    payment = charge()
    gateway.script = ["ok", "decline", "timeout"]
    for _ in range(3):
        refund_payment(payment, uid=uuid4(), amount=Decimal("10.00"))
    found = scrape()
    assert (found[("payments_refunded_total",)], found[("refunds_pending",)]) == (1, 1)


def test_what_has_no_answer_ages(gateway: FakeGateway, scrape: Callable[[], Samples], work: Callable[[], int]) -> None:
    """A charge from when its attempt began, a refund from when it was asked for; until the worker finds out."""
    paid = charge(1)
    gateway.script = ["lost", "lost"]
    refund_payment(paid, uid=uuid4(), amount=None)
    charge(2)
    Payment.objects.filter(status="PROCESSING").update(updated_at=timezone.now() - timedelta(seconds=100))
    Refund.objects.update(created_at=timezone.now() - timedelta(seconds=200))
    found = scrape()
    assert (found[("payments_processing",)], found[("refunds_pending",)]) == (1, 1)
    assert 100 <= found[("payments_oldest_processing_age_seconds",)] < 130
    assert 200 <= found[("refunds_oldest_pending_age_seconds",)] < 230
    work()
    found = scrape()
    assert (found[("payments_processing",)], found[("refunds_pending",)]) == (0, 0)
    assert found[("payments_oldest_processing_age_seconds",)] == found[("refunds_oldest_pending_age_seconds",)] == 0


def test_gateway_calls_count_by_operation_and_outcome(
    gateway: FakeGateway, scrape: Callable[[], Samples], work: Callable[[], int]
) -> None:
    """What came of asking, and of finding out."""
    before = scrape()
    gateway.script = ["ok", "decline", "unavailable", "timeout", "lost"]
    for number in range(1, 6):
        charge(number)
    assert calls(scrape(), before) == {
        ("charge", "approved"): 1,
        ("charge", "declined"): 1,
        ("charge", "unavailable"): 1,
        ("charge", "unknown"): 2,
    }
    between = scrape()
    work()
    refund_payment(Payment.objects.get(order_id="1"), uid=uuid4(), amount=None)
    assert calls(scrape(), between) == {
        ("find", "not_seen"): 1,
        ("find", "approved"): 1,
        ("charge", "approved"): 1,
        ("refund", "approved"): 1,
    }


def test_the_latency_of_a_gateway_is_measured(gateway: FakeGateway, scrape: Callable[[], Samples]) -> None:
    """In seconds, by gateway, so that a slow one can be told from a slow service."""
    series = ("gateway_call_duration_seconds_sum", "fake", "charge", "approved")
    before = scrape().get(series, 0)
    charge()
    assert 0 < scrape()[series] - before < 5


@pytest.mark.parametrize("name", sorted(registry.names()))
def test_every_gateway_is_metered(name: str) -> None:
    """There is no way around it: the registry hands out no other."""
    gateway = registry.gateway(name)
    assert isinstance(gateway, MeteredGateway)
    assert gateway.has_outside_effect is registry._MAKERS[name]().has_outside_effect
