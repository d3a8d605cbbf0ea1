"""One payment, refund or notice that cannot be worked on: the others go on in the same round, and it waits its turn."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db.models.functions import Now
from prometheus_client import REGISTRY

from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import charging, refunding, repair
from payment_service.payments.use_cases.notices import notices_once
from payment_service.tests.conftest import asked, make_due
from payment_service.tests.fakes import FakeGateway, FakeOrders
from servicekit.db import clock

pytestmark = pytest.mark.django_db


def failures(job: str) -> float:
    return REGISTRY.get_sample_value("worker_rows_failed_total", {"job": job}) or 0.0


def pending_payments(gateway: FakeGateway, count: int) -> list[Payment]:
    gateway.script = ["lost"] * count
    return [charging.charge_payment(asked(order_id=str(uuid4()))).payment for _ in range(count)]


def test_the_other_payments_are_found_out_about_in_the_same_round(gateway: FakeGateway) -> None:
    """The oldest of three went to a gateway that there is none of any more."""
    bad, *good = pending_payments(gateway, 3)
    Payment.objects.filter(pk=bad.pk).update(gateway="nobody")
    make_due()
    before = failures("payments")
    repair.payments_once()
    assert {each.status for each in Payment.objects.exclude(pk=bad.pk)} == {Status.CAPTURED}
    assert len(good) == 2
    bad.refresh_from_db()
    assert (bad.status, bad.retry_count, failures("payments")) == (Status.PROCESSING, 1, before + 1)
    assert not Payment.objects.filter(due_at__lte=Now()).exists()


def test_a_payment_waits_twice_as_long_each_time_and_is_taken_up_when_it_is_mended(
    gateway: FakeGateway, work: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to an hour; nothing of it is lost."""
    (bad,) = pending_payments(gateway, 1)
    Payment.objects.filter(pk=bad.pk).update(gateway="nobody")
    waits: list[float] = []
    right = clock.seconds_from_now

    def seconds_from_now(seconds: float) -> Any:
        waits.append(seconds)
        return right(seconds)

    monkeypatch.setattr("payment_service.payments.writes.moves.clock.seconds_from_now", seconds_from_now)
    for _ in range(14):
        make_due()
        repair.payments_once()
    lease_s = settings.PAYMENT_LEASE_S
    doubled = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert [wait for wait in waits if wait != lease_s] == doubled
    Payment.objects.filter(pk=bad.pk).update(gateway="fake")
    work()
    assert Payment.objects.get().status == Status.CAPTURED


def test_the_other_refunds_are_found_out_about_in_the_same_round(gateway: FakeGateway) -> None:
    """The oldest of three cannot be asked about."""
    payments = [charging.charge_payment(asked(order_id=str(uuid4()))).payment for _ in range(3)]
    gateway.script = ["lost"] * 3
    bad, *_ = [refunding.refund_payment(payment, uid=payment.uid, amount=None) for payment in payments]
    Payment.objects.filter(pk=payments[0].pk).update(gateway="nobody")
    make_due()
    before = failures("refunds")
    repair.refunds_once()
    assert list(Refund.objects.order_by("number").values_list("status", flat=True)) == [
        "PENDING",
        "SUCCEEDED",
        "SUCCEEDED",
    ]
    bad.refresh_from_db()
    assert (bad.retry_count, failures("refunds")) == (2, before + 1)
    assert not Refund.objects.filter(due_at__lte=Now()).exists()


class PuzzlingOrders(FakeOrders):
    """An order service of whose answers about some orders nobody can make anything."""

    puzzles: frozenset[str] = frozenset()

    def look_again(self, order_id: str) -> bool:
        if order_id in self.puzzles:
            raise KeyError("a mistake of ours")
        return super().look_again(order_id)


def noticed(gateway: FakeGateway, count: int) -> list[str]:
    payments = [charging.charge_payment(asked(order_id=str(uuid4()))).payment for _ in range(count)]
    Payment.objects.update(notice_due_at=Now())
    return [payment.order_id for payment in payments]


def test_the_others_are_told_of_in_the_same_round(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many before them are bad; those wait."""
    orders = PuzzlingOrders()
    monkeypatch.setattr("payment_service.payments.clients.order_service", lambda: orders)
    ids = noticed(gateway, 6)
    orders.puzzles = frozenset(ids[:4])
    before = failures("notices")
    assert notices_once() == 2
    assert (sorted(orders.told), failures("notices")) == (sorted(ids[4:]), before + 4)
    assert notices_once() == 0
    assert set(Payment.objects.values_list("notice_retry_count", flat=True)) == {0, 1}


def test_an_order_service_that_does_not_hear_of_one_hears_of_the_next(
    gateway: FakeGateway, orders: FakeOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refusal is no outage; three in a row are."""
    ids = noticed(gateway, 8)
    deaf_to = {ids[0], ids[3], ids[4], ids[5]}
    monkeypatch.setattr(
        orders, "look_again", lambda order_id: order_id not in deaf_to and not orders.told.append(order_id)
    )
    assert notices_once() == 2
    assert sorted(orders.told) == sorted(ids[1:3])
