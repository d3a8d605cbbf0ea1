"""Whatever happens to the broker or to a relay, every event arrives, and each order's in order."""

import signal
import sqlite3
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.client import Http
from tests.faults.result_log import ResultLog
from tests.kafka.broker import Broker, first_of_each
from tests.stack import ROOT, Process, Service, Stack, wait_until

# What a payment that is taken and then given back tells.
EVENTS = ["payment.successful", "payment.refunded"]
# Of an event that is far larger than a topic of these tests takes.
SMALL_TOPIC_BYTES = "2000"


@pytest.fixture(scope="module")
def ledger(make_module_stack: Callable[..., Stack]) -> Service:
    """A payment service without its neighbours; who relays its events is each test's business."""
    stack: Stack = make_module_stack(without=("product_stub", "order_service"))
    return stack.services["payment_service"]


@pytest.fixture
def start_relay(ledger: Service, broker: Broker) -> Iterator[Callable[[str], Process]]:
    """A function that starts a worker which publishes to a topic."""
    started: list[Process] = []

    def start(topic: str) -> Process:
        settings = {"KAFKA_BOOTSTRAP_SERVERS": broker.servers, "KAFKA_TOPIC": topic}
        worker = Process(
            "relay",
            [sys.executable, str(ROOT / "payment_service" / "manage.py"), "worker", "--idle", "0.05"],
            environment={**ledger.environment, **settings},
            log=ledger.database.with_name(f"relay-{topic}-{len(started)}.log"),
        )
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.signal(signal.SIGCONT)
        worker.kill()


def take_and_give_back(ledger: Service, count: int) -> list[str]:
    """So many payments; returns their order ids. Each request is answered at once, whatever the broker does."""
    client = Http(ledger.url)
    orders = [str(uuid.uuid4()) for _ in range(count)]
    for order in orders:
        taken = client.post("/api/payments/", {"order_id": order, "amount": "50.00"})
        given_back = client.post(f"/api/payments/{order}/void/")
        # 202: the worker is at it, which was quicker than the request that had said what is to be done.
        assert (taken.status, given_back.status in (200, 202)) == (201, True)
        assert max(taken.elapsed_s, given_back.elapsed_s) < 5
    wait_until(
        lambda: all(client.post(f"/api/payments/{order}/void/").status == 200 for order in orders),
        what="all given back",
    )
    return orders


def unpublished(ledger: Service) -> int:
    return int(ledger.rows("select count(*) from events_event where published_at is null")[0][0])


def wait_until_published(ledger: Service) -> None:
    wait_until(lambda: unpublished(ledger) == 0, what="everything published")


def check_arrived(broker: Broker, topic: str, orders: list[str]) -> int:
    """Every event of these orders, each order's in order; returns how many came more than once."""
    messages = broker.arrived(topic)
    once = first_of_each(messages)
    found = defaultdict(list)
    for message in once:
        found[message.key].append(message)
    assert {key: [message.type for message in each] for key, each in found.items()} == dict.fromkeys(orders, EVENTS)
    assert all([m.sequence for m in each] == sorted(m.sequence for m in each) for each in found.values())
    return len(messages) - len(once)


def test_a_broker_that_is_down_holds_nobody_up(
    ledger: Service, broker: Broker, start_relay: Callable[[str], Process], result_log: ResultLog
) -> None:
    """Payments go on while it is away; what has gathered is carried out in order when it is back, each event once."""
    topic = broker.topic()
    relay = start_relay(topic)
    orders = take_and_give_back(ledger, 5)
    wait_until_published(ledger)
    broker.kill()
    orders += take_and_give_back(ledger, 20)
    wait_until(lambda: "events.unanswered" in relay.log_text(), what="the relay says that nobody answers")
    assert unpublished(ledger) == 40
    broker.start()
    wait_until_published(ledger)
    assert check_arrived(broker, topic, orders) == 0
    result_log(
        "broker killed and started again",
        injected="kill -9 of the broker, 20 payments while it is away",
        times=1,
        checks="I5",
        numbers=25,
    )


def test_a_relay_that_is_killed_before_its_mark_publishes_again(
    ledger: Service, broker: Broker, start_relay: Callable[[str], Process], result_log: ResultLog
) -> None:
    """The broker has the events, the table does not know: they come twice, none is lost, and the order is kept."""
    topic = broker.topic()
    relay = start_relay(topic)
    orders = take_and_give_back(ledger, 3)
    wait_until_published(ledger)
    broker.freeze()
    orders += take_and_give_back(ledger, 10)
    wait_until(lambda: "events.unanswered" in relay.log_text(), what="events on their way")
    with closing(sqlite3.connect(ledger.database, isolation_level=None)) as writer:
        writer.execute("begin immediate")  # so that nobody can mark anything
        broker.thaw()
        wait_until(lambda: len(broker.arrived(topic)) > 6, what="events that the broker has")
        relay.kill()
        writer.execute("rollback")
    assert unpublished(ledger) == 20
    start_relay(topic)
    wait_until_published(ledger)
    repeated = check_arrived(broker, topic, orders)
    assert 1 <= repeated <= 20
    result_log(
        "relay killed between the broker's acknowledgement and its mark",
        injected="kill -9 between the broker's ack and the mark",
        times=1,
        checks="I5",
        numbers=3,
    )


def test_a_slow_broker_is_waited_for(
    ledger: Service, broker: Broker, start_relay: Callable[[str], Process], result_log: ResultLog
) -> None:
    """It stands still for longer than a relay's run: nothing is sent twice, and nothing gets ahead."""
    topic = broker.topic()
    relay = start_relay(topic)
    orders = take_and_give_back(ledger, 1)
    wait_until_published(ledger)
    broker.freeze()
    began = time.monotonic()
    orders += take_and_give_back(ledger, 10)
    wait_until(lambda: "events.unanswered" in relay.log_text(), what="the relay says that nobody answers")
    assert time.monotonic() - began > 3
    broker.thaw()
    wait_until_published(ledger)
    assert check_arrived(broker, topic, orders) == 0
    result_log(
        "broker answers late",
        injected="SIGSTOP of the broker for seconds",
        times=1,
        checks="I5",
        numbers=25,
    )


def test_a_topic_that_is_missing_is_asked_for_loudly(
    ledger: Service, broker: Broker, start_relay: Callable[[str], Process], result_log: ResultLog
) -> None:
    """It is no event's fault: nothing is buried, and all goes out once somebody has made it."""
    topic = broker.topic(exists=False)
    relay = start_relay(topic)
    orders = take_and_give_back(ledger, 3)
    wait_until(lambda: "_UNKNOWN_TOPIC" in relay.log_text(), what="the relay says what is missing")
    assert unpublished(ledger) == 6
    assert ledger.rows("select count(*) from events_deadletter") == [(0,)]
    broker.create(topic)
    wait_until_published(ledger)
    assert check_arrived(broker, topic, orders) == 0
    result_log(
        "topic is not there yet",
        injected="no topic, made later",
        times=1,
        checks="I5",
        numbers=25,
    )


def test_an_event_that_the_broker_refuses_is_buried_and_replayed(
    ledger: Service, broker: Broker, start_relay: Callable[[str], Process], result_log: ResultLog
) -> None:
    """Those that were refused with it are fine; the next event of its order waits; replayed, both come in order."""
    topic = broker.topic(max_message_bytes=SMALL_TOPIC_BYTES)
    bad, *good = orders = take_and_give_back(ledger, 5)
    with closing(sqlite3.connect(ledger.database)) as writer, writer:
        padded = "update events_event set payload = payload || ? where payload like ? and type = ?"
        assert writer.execute(padded, (" " * 5_000, f"%{bad}%", EVENTS[0])).rowcount == 1
    relay = start_relay(topic)
    wait_until(lambda: unpublished(ledger) == 2, what="all but the bad one and what waits behind it")
    wait_until(lambda: "event.dead" in relay.log_text(), what="the relay says which it gave up")
    assert check_arrived(broker, topic, good) == 0
    listed = ledger.manage("dead_letters").stdout
    assert "dead, 1 wait behind it: Broker: Message size too large" in listed
    broker.set(topic, "max.message.bytes", "1000000")
    assert ledger.manage("dead_letters", "--replay", "all").stdout == "1 to be tried again\n"
    wait_until_published(ledger)
    assert check_arrived(broker, topic, orders) == 0
    result_log(
        "an event that can never be published",
        injected="an event larger than the topic takes",
        times=1,
        checks="I5",
        numbers=25,
    )


def test_two_relays_take_turns(
    ledger: Service, broker: Broker, start_relay: Callable[[str], Process], result_log: ResultLog
) -> None:
    """One works at a time, so that each event comes once; when one of them is killed, the other goes on."""
    topic = broker.topic()
    relays = [start_relay(topic), start_relay(topic)]
    with ThreadPoolExecutor(4) as pool:
        orders = [order for some in pool.map(lambda _: take_and_give_back(ledger, 10), range(4)) for order in some]
    wait_until_published(ledger)
    assert check_arrived(broker, topic, orders) == 0
    relays[0].kill()
    orders += take_and_give_back(ledger, 5)
    wait_until_published(ledger)
    assert check_arrived(broker, topic, orders) == 0
    result_log(
        "two relays at once, one killed",
        injected="two relays at once, one of them killed",
        times=1,
        checks="I5",
        numbers=(4, 25),
    )
