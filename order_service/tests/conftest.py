"""A saga over fakes, and a clock that does not wait."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from django.db import connection

from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401
from order_service.orders import saga, use_cases
from order_service.orders.models import Order
from order_service.orders.ports import LineAsked
from order_service.orders.worker_jobs import resume_once
from order_service.orders.writes import NewOrder
from order_service.tests.fakes import FakePayments, FakeProducts
from servicekit.db.clock import seconds_from_now
from servicekit.events.models import Event

# Only SQLite makes a database that is not there.
collect_ignore = [] if connection.vendor == "sqlite" else ["test_without_a_file.py"]


@dataclass
class Shop:
    """The order service between two fakes."""

    products: FakeProducts = field(default_factory=FakeProducts)
    payments: FakePayments = field(default_factory=FakePayments)
    waits: list[float] = field(default_factory=list)

    def run(self) -> saga.Run:
        return saga.Run(self.products, self.payments, sleep=self.waits.append, jitter=lambda: 1.0)

    def place(self, order_id: UUID | None = None, *, pay_later: bool = False, quantity: int = 1) -> Order:
        return use_cases.place_order(
            order_id or uuid4(),
            NewOrder(
                customer_name="Alice",
                lines=[LineAsked(1, quantity), LineAsked(2, 1)],
                currency="USD",
                pay_later=pay_later,
            ),
            self.run(),
        )

    def work(self) -> int:
        """All leases run out and every wait is over; the worker works until nothing is due."""
        worked = 0
        for _ in range(20):
            self.make_due()
            done = resume_once(self.run())
            if not done:
                return worked
            worked += done
        raise AssertionError("the worker never comes to an end")

    def work_once(self) -> int:
        """The same, one round."""
        self.make_due()
        return resume_once(self.run())

    def make_due(self) -> None:
        Order.objects.filter(due_at__isnull=False).update(due_at=seconds_from_now(-1))


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop()


def trail(order: Order) -> list[str]:
    """The types of the order's events, oldest first."""
    return list(Event.objects.filter(aggregateid=str(order.uid)).order_by("sequence").values_list("type", flat=True))


def the_order() -> Order:
    return Order.objects.get()
