"""Whatever happens to the broker under a running consumer, each event has its effect, and has it once."""

from collections.abc import Callable

import pytest

from tests import books
from tests.brokers import Topics
from tests.consuming import (
    GROUP,
    all_are,
    charge,
    consumer_of,
    ids_of,
    marked,
    orders_in_between,
    publishing_stack,
    trail,
)
from tests.faults.result_log import ResultLog
from tests.kafka.broker import Broker
from tests.stack import Process, Stack, wait_until


@pytest.fixture
def topics(broker: Broker) -> Topics:
    return Topics(broker.servers, orders=broker.topic(), payments=broker.topic(), session_ms=6000)


@pytest.fixture
def stack(make_stack: Callable[..., Stack], topics: Topics) -> Stack:
    return publishing_stack(make_stack, topics)


@pytest.fixture
def consumer(stack: Stack) -> Process:
    """Running."""
    process = consumer_of(stack)
    process.start()
    return process


def test_a_broker_that_is_killed_under_a_consumer_costs_nothing_but_time(
    stack: Stack, topics: Topics, broker: Broker, consumer: Process, result_log: ResultLog
) -> None:
    """Some payments consumed, some published and not consumed, some made while it is away: all orders end PAID."""
    paid, unpaid = orders_in_between(stack)
    orders = [*paid, *unpaid]
    broker.kill()
    for order in unpaid:
        charge(stack, order)
    assert all_are(stack, unpaid, "PENDING")
    broker.start()
    wait_until(lambda: all_are(stack, orders, "PAID"), what="all are paid")
    assert consumer.is_running
    assert {trail(stack, order).count("order.paid") for order in orders} == {1}
    wait_until(lambda: topics.lag(topics.payments, GROUP) == 0, what="all is taken")
    assert marked(stack) == ids_of(topics, "payment.successful")
    assert books.problems_at_rest(stack) == []
    result_log(
        "broker killed under a running consumer",
        injected="kill -9 of the broker with some of 30 payments consumed, others published, others not made yet",
        times=1,
        checks="every order paid by one move, every event marked once, the group's lag 0",
        numbers=19,
    )
