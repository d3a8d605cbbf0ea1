"""With notices off, orders learn of payments from Kafka, mails tell of them: killed, repeated, shuffled, poisoned."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Message

from tests import books, brokers
from tests.brokers import Topics
from tests.consuming import (
    GROUP,
    actors,
    all_are,
    an_unpaid_order,
    charge,
    consumer_of,
    header,
    ids_of,
    marked,
    orders_in_between,
    publishing_stack,
    status_of,
    trail,
)
from tests.databases import at
from tests.faults.result_log import ResultLog
from tests.stack import ROOT, Process, Stack, base_environment, wait_until


@pytest.fixture(scope="module")
def topics() -> Iterator[Topics]:
    with brokers.topics() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack], topics: Topics) -> Stack:
    return publishing_stack(make_module_stack, topics)


@pytest.fixture(scope="module")
def consumer(stack: Stack) -> Process:
    """`consume_payments`, not started."""
    return consumer_of(stack)


def keep_running(process: Process) -> None:
    """Start it where no test before has."""
    if not process.is_running:
        process.start()


@pytest.fixture(scope="module")
def mailer(stack: Stack, topics: Topics) -> Process:
    """The notify service, not started: it prints its mails into its log."""
    folder = stack.services["order_service"].database.parent
    database = at(folder / "notify_service.sqlite3")
    database.create()
    environment = {**base_environment(), **topics.settings()["notify_service"], **database.environment}
    environment["MAIL_LEASE_S"] = "1"  # how long a mail that a killed process had in hand waits for the next one
    manage = str(ROOT / "notify_service" / "manage.py")
    log = folder / "notify_service.log"
    migration = Process(
        "migrate", [sys.executable, manage, "migrate", "--verbosity=0"], environment=environment, log=log
    )
    migration.start()
    wait_until(lambda: not migration.is_running, what="migrated")
    command = [sys.executable, manage, "consume_events", "--idle", "0.05"]
    process = Process("notify_service", command, environment=environment, log=log)
    stack.workers.append(process)
    return process


def mails(mailer: Process) -> Counter[tuple[str, str]]:
    """Each (Message-ID, subject), and how often it was sent."""
    text = mailer.log_text()
    headers = re.findall(r"^Subject: (.*)\n(?:.+\n)*?Message-ID: (.*)$", text, re.MULTILINE)
    return Counter((message_id, subject) for subject, message_id in headers)


def refund(stack: Stack, transaction: str, **amount: str) -> None:
    answer = stack.payments.post("/api/v1/payments/refund", {"transaction_id": transaction, **amount})
    assert answer.json["success"] is True


def published(topics: Topics, order: str) -> list[str]:
    """The types of the payment's events that Kafka has, in order."""
    found = [message for message in topics.read(topics.payments) if message.key() == order.encode()]
    return [header(message, "ce_type") for message in found]


def test_orders_are_settled_and_refunded_by_what_kafka_tells(stack: Stack, topics: Topics, consumer: Process) -> None:
    """Paid through `pay` and `process`, refunded at `process`: unknown to the order service until somebody consumes."""
    by_pay, by_card = an_unpaid_order(stack), an_unpaid_order(stack)
    assert stack.payments.post("/pay", {"order_id": by_pay, "amount": "20.00"}).status == 200
    transaction = charge(stack, by_card)
    wait_until(lambda: published(topics, by_card) == ["payment.successful"], what="published")
    wait_until(lambda: published(topics, by_pay) == ["payment.successful"], what="published")
    assert all_are(stack, [by_pay, by_card], "PENDING")
    consumer.start()
    wait_until(lambda: all_are(stack, [by_pay, by_card], "PAID"), what="the orders are paid")
    # Which of the two asks the payment service is a matter of who is first; nobody else does.
    assert {actors(stack, order)["order.paid"] for order in (by_pay, by_card)} <= {"consumer", "worker"}
    refund(stack, transaction, amount="5.00")
    refund(stack, transaction)
    wait_until(lambda: status_of(stack, by_card) == "REFUNDED", what="the order is refunded")
    kinds = ["payment.successful", "payment.refunded", "payment.refunded"]
    wait_until(lambda: published(topics, by_card) == kinds, what="published")  # the first was enough to ask
    assert stack.products.get(f"/api/reservations/{by_card}/").json["status"] == "RELEASED"
    assert status_of(stack, by_pay) == "PAID"


def test_a_consumer_that_is_killed_loses_and_doubles_nothing(
    stack: Stack, topics: Topics, consumer: Process, result_log: ResultLog
) -> None:
    """kill -9 with some orders settled and others not: in the end each is, by one move, and each event marked once."""
    keep_running(consumer)
    paid, unpaid = orders_in_between(stack)
    orders = [*paid, *unpaid]
    consumer.kill()
    for order in unpaid:
        charge(stack, order)
    consumer.start()
    wait_until(lambda: all_are(stack, orders, "PAID"), what="all are paid")
    assert {trail(stack, order).count("order.paid") for order in orders} == {1}
    wait_until(lambda: topics.lag(topics.payments, GROUP) == 0, what="all is taken")
    assert marked(stack) == ids_of(topics, "payment.successful", "payment.refunded")
    result_log(
        "a consumer of Kafka is killed",
        injected="SIGKILL to consume_payments with some of 30 payments consumed and others not",
        times=1,
        checks="every order paid by one move, every event marked once, the group's lag 0",
        numbers=19,
    )


def test_what_comes_again_in_any_order_changes_nothing(
    stack: Stack, topics: Topics, consumer: Process, result_log: ResultLog
) -> None:
    """Every message that there is, newest first, twice: no order moves, and no event is marked again."""
    keep_running(consumer)
    wait_until(lambda: topics.lag(topics.payments, GROUP) == 0, what="all is taken")
    before, marked_before = versions(stack), marked(stack)
    again = list(reversed(topics.read(topics.payments)))
    topics.publish(topics.payments, again * 2)
    wait_until(lambda: topics.lag(topics.payments, GROUP) == 0, what="all is taken again")
    assert (versions(stack), marked(stack)) == (before, marked_before)
    result_log(
        "events are delivered again, late and in another order",
        injected="every message of the topic once more, newest first, twice",
        times=2 * len(again),
        checks="no order moves, no event is marked again",
        numbers=19,
    )


def versions(stack: Stack) -> dict[Any, Any]:
    """How often each order was moved, and whether there is something to ask about it."""
    rows = stack.services["order_service"].rows("select id, version, status, ask_at from orders_order")
    return {row[0]: row[1:] for row in rows}


POISON = {
    "not_a_cloudevent": Message(value=b"{}", headers=[("ce_specversion", b"0.3")]),
    "not_json": Message(value=b"\xff\x00", headers=[]),
    "unknown_schema": Message(value=b'{"order": 1}', headers=[]),
}


def test_poison_is_parked_and_holds_nobody_up(
    stack: Stack, topics: Topics, consumer: Process, result_log: ResultLog
) -> None:
    """Kept with its reason; what comes behind it is taken; replayed, it is refused again and kept."""
    headers: Any = topics.read(topics.payments)[0].headers()
    fresh = [(name, b"successful" if name == "ce_id" else value) for name, value in headers]
    for reason, message in POISON.items():
        if reason != "not_a_cloudevent":
            message.set_headers(fresh)
    topics.publish(topics.payments, list(POISON.values()))
    order = an_unpaid_order(stack)
    charge(stack, order)
    keep_running(consumer)
    wait_until(lambda: status_of(stack, order) == "PAID", what="the order behind the poison")
    wait_until(lambda: topics.lag(topics.payments, GROUP) == 0, what="all is taken")
    service = stack.services["order_service"]
    assert sorted(row[0] for row in service.rows("select reason from inbox_parked")) == sorted(POISON)
    assert service.manage("parked", "--replay-all").stdout == "To be taken again: 3\n"
    wait_until(
        lambda: service.rows("select number from inbox_parked where replay_at is not null") == [], what="replayed"
    )
    listed = service.manage("parked").stdout
    assert all(reason in listed for reason in POISON)
    result_log(
        "poison in a topic",
        injected="messages that are no CloudEvent, no JSON, and no payment",
        times=len(POISON),
        checks="parked with their reasons, replayed and parked again, what comes behind them is taken",
        numbers=25,
    )


def test_each_event_is_one_mail_even_of_a_killed_process(
    stack: Stack, topics: Topics, consumer: Process, mailer: Process, result_log: ResultLog
) -> None:
    """Of payments, declined ones and refunds. Only what was being sent when the process died may come twice, under the
    same Message-ID.
    """
    order = an_unpaid_order(stack)
    declined = {"order_id": order, "amount": 20, "payment_method_details": {"token": "tok_expired_card"}}
    assert stack.payments.post("/v1/payments/charge", declined).json["status"] == "FAILED"
    keep_running(consumer)
    transaction = charge(stack, order)
    wait_until(lambda: status_of(stack, order) == "PAID", what="the order is paid")
    refund(stack, transaction)
    kinds = ["payment.failed", "payment.successful", "payment.refunded"]
    wait_until(lambda: published(topics, order) == kinds, what="published")
    mailer.start()
    wait_until(lambda: len(mails(mailer)) > 5, what="some are sent")
    mailer.kill()
    mailer.start()
    counted = "select count(*) from events_event where type in (?, ?, ?)"
    [[expected]] = stack.services["payment_service"].rows(counted, *kinds)
    wait_until(lambda: len(mails(mailer)) == expected, what="all are sent")
    assert mailer.stop() == 0
    sent = mails(mailer)
    assert len({message_id for message_id, _ in sent}) == expected
    assert {subject for _, subject in sent if order in subject} == {
        f"Payment failed for order {order}",
        f"Payment received for order {order}",
        f"Refund for order {order}",
    }
    assert sum(sent.values()) <= expected + 1
    result_log(
        "the notify service is killed while it sends mails",
        injected="SIGKILL after some of the mails",
        times=1,
        checks="a mail for each event; none twice but the one that was being sent, under the same Message-ID",
        numbers=19,
    )


def test_the_books_agree_in_the_end(stack: Stack, consumer: Process) -> None:
    """After all that was done to them; and a consumer that is asked to ends in order."""
    keep_running(consumer)
    assert books.problems_at_rest(stack) == []
    assert consumer.stop() == 0
    assert stack.services["order_service"].manage("check_invariants").returncode == 0
