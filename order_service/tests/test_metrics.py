"""What `/metrics` says of orders."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.test import Client
from django.utils import timezone

from order_service.orders import states
from order_service.orders.models import Order
from order_service.orders.ops import metrics
from order_service.tests.conftest import Shop, the_order
from order_service.tests.fakes import HARD_DECLINE, SOFT_DECLINE, Fault, Killed
from servicekit.tests.scraping import Samples, scrape_samples


@pytest.fixture
def scrape(client: Client) -> Callable[[], Samples]:
    return partial(scrape_samples, client.get)


def cancelled(found: Samples) -> dict[str, float]:
    """The reasons that occurred."""
    return {labels[1]: n for labels, n in found.items() if labels[0] == "orders_cancelled_total" and n}


def unfinished(found: Samples) -> dict[str, float]:
    """The steps in which orders are."""
    return {labels[1]: n for labels, n in found.items() if labels[0] == "orders_unfinished" and n}


def test_everything_begins_at_zero(scrape: Callable[[], Samples]) -> None:
    """Every counter is there from the start, with each label that is known."""
    found = scrape()
    for counter in metrics.COUNTERS:
        shown = {labels[1:]: n for labels, n in found.items() if labels[0] == f"{counter.name}_total"}
        assert shown == dict.fromkeys(counter.known, 0), counter.name


def test_a_paid_order(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """Placed and paid, nothing else, and nothing is left of it."""
    shop.place()
    found = scrape()
    assert (found[("orders_placed_total",)], found[("orders_paid_total",)]) == (1, 1)
    assert (found[("orders_payment_retries_total",)], found[("orders_refunded_total",)]) == (0, 0)
    assert (cancelled(found), unfinished(found)) == ({}, {})
    assert found[("orders_oldest_unfinished_age_seconds",)] == 0


def test_retries_and_failed_payments(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """Each attempt after the first counts, whatever becomes of it."""
    shop.payments.answers = [SOFT_DECLINE, SOFT_DECLINE, SOFT_DECLINE, HARD_DECLINE]
    shop.place()
    shop.place()
    found = scrape()
    assert found[("orders_payment_retries_total",)] == 2
    assert cancelled(found) == {"payment_failed": 2}


def test_reasons_have_one_word_each(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """Without the product that they name, of which there are any number."""
    for reason in ("Product 2 not found", "Product 31 not found", "Product 2 is out of stock", "Bad weather"):
        shop.products.refuse_with = reason
        shop.place()
    assert cancelled(scrape()) == {"product_not_found": 2, "product_out_of_stock": 1, "other": 1}


def test_every_reason_of_ours_has_a_word() -> None:
    """A reason that is added must be added there, too."""
    reasons = {value for name, value in vars(states).items() if name.isupper() and isinstance(value, str)}
    assert set(metrics.REASONS) == reasons


def test_an_order_that_waits_for_its_customer_is_not_unfinished(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """As long as it has time; then it is somebody's business."""
    shop.place(pay_later=True)
    found = scrape()
    assert (found[("orders_awaiting_payment",)], unfinished(found)) == (1, {})
    shop.make_due()
    found = scrape()
    assert (found[("orders_awaiting_payment",)], unfinished(found)) == (0, {"reserved": 1})
    shop.work()
    found = scrape()
    assert (found[("orders_awaiting_payment",)], unfinished(found)) == (0, {})
    assert cancelled(found) == {"not_paid_in_time": 1}


def test_an_order_that_was_left_ages(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """From when it was last at rest, whatever was tried since; one from before that was kept, from its last move."""
    shop.place()
    then = timezone.now() - timedelta(seconds=100)
    Order.objects.update(step="reserved", due_at=timezone.now(), unsettled_since=then)
    found = scrape()
    assert unfinished(found) == {"reserved": 1}
    assert 100 <= found[("orders_oldest_unfinished_age_seconds",)] < 130
    Order.objects.update(unsettled_since=None, updated_at=then)
    found = scrape()
    assert unfinished(found) == {"reserved": 1}
    assert 100 <= found[("orders_oldest_unfinished_age_seconds",)] < 130


def test_a_postponed_compensation_ages_and_is_counted(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """Neither a postponement nor a worker that takes it up makes the order any younger."""
    shop.products.fail("release", *[Fault.OUTAGE_BEFORE] * 4)
    shop.payments.answers = [HARD_DECLINE]
    shop.place()
    Order.objects.update(unsettled_since=timezone.now() - timedelta(seconds=100))
    for _ in range(3):
        shop.work_once()
    order = the_order()
    assert (order.status, order.step, order.retry_count) == ("CANCELLED", "compensating", 4)
    found = scrape()
    assert (found["orders_postponed_total", "compensating"], unfinished(found)) == (4, {"compensating": 1})
    assert 100 <= found[("orders_oldest_unfinished_age_seconds",)] < 130
    shop.work()
    found = scrape()
    assert (unfinished(found), found[("orders_oldest_unfinished_age_seconds",)]) == ({}, 0)


def test_what_a_worker_did_is_counted(shop: Shop, scrape: Callable[[], Samples]) -> None:
    """A scrape finds it wherever it was done."""
    shop.payments.fail("charge", Fault.KILLED_AFTER)
    with pytest.raises(Killed):
        shop.place()
    assert scrape()[("orders_paid_total",)] == 0
    shop.work()
    assert scrape()[("orders_paid_total",)] == 1
