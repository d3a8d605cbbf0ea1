"""A client, a gateway that fails when told to, and a clock that does not wait."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management.color import no_style
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401
from payment_service.payments import clients
from payment_service.payments.gateways import registry
from payment_service.payments.models import Payment, Refund
from payment_service.payments.use_cases import repair
from payment_service.payments.writes.attempts import Asked
from payment_service.tests.fakes import FakeGateway, FakeOrders
from payment_service.tests.importing import Importer
from servicekit import exactjson
from servicekit.db.clock import seconds_from_now
from servicekit.events.models import Event
from servicekit.tests.checking import check
from servicekit.tests.sessions import another_session

ORDER = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"


@pytest.fixture
def numbers_from_one(db: None) -> None:
    """The first payment gets number 1: a server counts on over what other tests have rolled back."""
    if connection.vendor == "sqlite":
        return
    counter = {"table": Payment._meta.db_table, "column": "number"}
    # In a session of its own: on MySQL it would end the test's transaction.
    with another_session() as session, session.cursor() as cursor:
        for statement in session.ops.sequence_reset_by_name_sql(no_style(), [counter]):
            cursor.execute(statement)


@pytest.fixture
def run(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


@pytest.fixture
def audited(db: None) -> Iterator[None]:
    """Whatever a test has done, the books are right afterwards."""
    yield
    Payment.objects.update(notice_due_at=None)
    Event.objects.filter(published_at=None).update(published_at=timezone.now())
    checked = check()
    assert (checked.status, checked.violations) == (0, [])


@pytest.fixture
def client() -> APIClient:
    return APIClient()


@pytest.fixture(autouse=True)
def orders(monkeypatch: pytest.MonkeyPatch) -> FakeOrders:
    """The order service that everything in this process talks to."""
    fake = FakeOrders()
    monkeypatch.setattr(clients, "order_service", lambda: fake)
    return fake


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeGateway]:
    """What CARD goes to."""
    fake = FakeGateway()
    monkeypatch.setattr(registry, "_MAKERS", {**registry._MAKERS, "fake": lambda: fake})
    registry.gateway.cache_clear()
    registry._dependency.cache_clear()  # the failures of another test are not this one's
    settings.PAYMENT_GATEWAYS = {**settings.PAYMENT_GATEWAYS, "CARD": "fake", "CREDIT_CARD": "fake"}
    # A request that waits for its gateway keeps its slot here, because a test is one transaction; another may come.
    settings.ADMISSION = replace(settings.ADMISSION, at_once=2)
    yield fake
    registry.gateway.cache_clear()


@pytest.fixture
def bank(db: None, settings: Any) -> Iterator[None]:
    """The simulated gateway answers at once, and says yes unless a magic token says otherwise."""
    settings.GATEWAY_SUCCESS_RATE, settings.GATEWAY_DELAY_S, settings.GATEWAY_TIMEOUT_S = 1.0, (0.0, 0.0), 0.0
    registry.gateway.cache_clear()
    yield
    registry.gateway.cache_clear()


@pytest.fixture
def work(db: None) -> Callable[[], int]:
    """All leases run out, every wait is over, and the worker works until nothing is due; how much it did."""

    def until_done() -> int:
        done = 0
        for _ in range(20):
            make_due()
            more = repair.payments_once() + repair.refunds_once()
            if not more:
                return done
            done += more
        raise AssertionError("the worker never comes to an end")

    return until_done


def make_due() -> None:
    Payment.objects.filter(due_at__isnull=False).update(due_at=seconds_from_now(-1))
    Refund.objects.filter(due_at__isnull=False).update(due_at=seconds_from_now(-1))


def asked(amount: str = "50.00", *, order_id: str = ORDER, method: str = "CARD", **more: Any) -> Asked:
    uid: UUID = uuid4()
    return Asked(uid=uid, order_id=order_id, amount=Decimal(amount), currency="USD", method=method, **more)


def trail() -> list[str]:
    """The types of all events, oldest first."""
    return list(Event.objects.order_by("position").values_list("type", flat=True))


def exact(response: Any) -> Any:
    """An answer's body, decimals as they stand on the wire."""
    return exactjson.decode(response.content)
