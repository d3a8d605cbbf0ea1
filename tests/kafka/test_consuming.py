"""Whatever happens to the broker under a running consumer, each event has its effect, and has it once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import books
from tests.brokers import Topics
from tests.consuming import GROUP, all_are, an_unpaid_order, charge, consumer_of, ids_of, marked, status_of, trail
from tests.kafka.broker import Broker
from tests.stack import Process, Stack, wait_until


@pytest.fixture
def topics(broker: Broker) -> Topics:
    return Topics(broker.servers, orders=broker.topic(), payments=broker.topic(), session_ms=6000)


@pytest.fixture
def stack(make_stack: Callable[..., Stack], topics: Topics) -> Stack:
    """The services, and the workers that publish."""
    settings = {name: each for name, each in topics.settings().items() if name != "notify_service"}
    running: Stack = make_stack(settings=settings)
    for name in ("order_service", "payment_service"):
        running.start_worker(name)
    return running


@pytest.fixture
def consumer(stack: Stack) -> Process:
    """Running."""
    process = consumer_of(stack)
    process.start()
    return process


def test_a_broker_that_is_killed_under_a_consumer_costs_nothing_but_time(
    stack: Stack, topics: Topics, broker: Broker, consumer: Process, evidence: Any
) -> None:
    """Some payments consumed, some published and not consumed, some made while it is away: all orders end PAID."""
    orders = [an_unpaid_order(stack) for _ in range(30)]
    for order in orders[:20]:
        charge(stack, order)
    wait_until(lambda: any(status_of(stack, order) == "PAID" for order in orders), what="the first is paid")
    broker.kill()
    for order in orders[20:]:
        charge(stack, order)
    assert all_are(stack, orders[20:], "PENDING")
    broker.start()
    wait_until(lambda: all_are(stack, orders, "PAID"), what="all are paid")
    assert consumer.is_running
    assert {trail(stack, order).count("order.paid") for order in orders} == {1}
    wait_until(lambda: topics.lag(topics.payments, GROUP) == 0, what="all is taken")
    assert marked(stack) == ids_of(topics, "payment.successful")
    wait_until(lambda: books.problems_in(stack) == [], what="the books agree")
    evidence(
        "broker killed under a running consumer",
        injected="kill -9 of the broker with some of 30 payments consumed, others published, others not made yet",
        times=1,
        checks="every order paid by one move, every event marked once, the group's lag 0",
        numbers=19,
    )
