"""The faults of the drill: what is done to services that run, and which alert is to tell of it. Nothing else may."""

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Producer

from tests.brokers import Topics
from tests.faults.faulty_proxy import PASSES, Call, FaultyProxy, Treatment
from tests.stack import Process, Stack

CARD: Final = {"payment_method": "CARD"}
# Longer than the objective of an order's latency, shorter than the order service waits for an answer.
SLOW_S: Final = 2.8


@dataclass
class Scene:
    """Services that run, under a few orders a second, with what a fault may need."""

    stack: Stack
    links: Mapping[str, FaultyProxy]
    workers: Mapping[str, Process]
    topics: Topics | None
    ending: ExitStack

    def order(self, *, token: str = "tok_ok", **more: Any) -> Any:
        body = {"customer_name": "Alice", "product_ids": [1], **CARD, "payment_method_details": {"token": token}}
        return self.stack.orders.post("/api/orders/", {**body, **more})

    def again_and_again(self, do: Callable[[int], object], *, every_s: float = 0.3) -> None:
        """From now to the end, in a thread of its own."""
        is_over = threading.Event()

        def go_on() -> None:
            number = 0
            while not is_over.wait(every_s):
                number += 1
                do(number)

        thread = threading.Thread(target=go_on)
        thread.start()
        self.ending.callback(thread.join)
        self.ending.callback(is_over.set)


@dataclass(frozen=True)
class Fault:
    """One fault. `name` is what the runbook of `alert` calls it.

    Attributes:
        settings: Environment of single services, on top of everyone's.
        with_kafka: A broker is there, and a consumer of the order service.
        is_quiet: No other orders meanwhile.
    """

    name: str
    alert: str
    happen: Callable[[Scene], object]
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    with_kafka: bool = False
    is_quiet: bool = False


def _payments_answer_500(scene: Scene) -> None:
    """To all tries of every fourth order: no circuit opens for that."""

    def rule(call: Call) -> Treatment:
        is_chosen = call.method == "POST" and call.path == "/api/payments/" and int(call.json["order_id"][0], 16) < 4
        return Treatment(sent=0, status=500) if is_chosen else PASSES

    scene.links["order->payment"].rule = rule


def _payments_are_slow(scene: Scene) -> None:
    scene.links["order->payment"].rule = lambda call: Treatment(before_s=SLOW_S) if call.method == "POST" else PASSES


def _stock_cannot_be_confirmed(scene: Scene) -> None:
    """For one order; nobody else asks meanwhile, so no circuit opens."""
    refused = Treatment(sent=0, status=500)
    scene.links["order->product"].rule = lambda call: refused if "confirm" in call.path else PASSES
    scene.order()


def _refund_is_refused(scene: Scene) -> None:
    placed = scene.order(token="tok_refund_fails").json
    scene.stack.orders.post(f"/api/orders/{placed['id']}/cancel/")


def _void_is_refused(scene: Scene) -> None:
    body = {
        "order_id": str(uuid4()),
        "amount": 20,
        "currency": "USD",
        "payment_method": "credit_card",
        "capture": False,
    }
    answer = scene.stack.payments.post(
        "/api/v1/payments/process", {**body, "payment_method_details": {"token": "tok_void_fails"}}
    )
    scene.stack.payments.post("/api/v1/payments/void", {"transaction_id": answer.json["transaction_id"]})


def _broker_is_away(scene: Scene) -> None:
    """It never was there; now there is something to tell it."""
    scene.order()


def _broker_refuses_an_event(scene: Scene) -> None:
    scene.order(payment="later", customer_name="\N{SMILING CAT FACE WITH OPEN MOUTH}" * 255)


def _message_that_nobody_understands(scene: Scene) -> None:
    if scene.topics is None:
        raise LookupError("this fault needs Kafka")
    producer = Producer({"bootstrap.servers": scene.topics.servers, "log_level": 0})
    producer.produce(scene.topics.payments, key=b"x", value=b"not an event")
    producer.flush(10)


def _row_is_changed_by_hand(scene: Scene) -> None:
    """A part of the trail is gone; a timer's check finds it."""
    service = scene.stack.services["order_service"]
    with closing(sqlite3.connect(service.environment["DB_NAME"], timeout=20)) as database, database:
        database.execute("delete from events_event where type = 'order.paid' and published_at is not null")
    service.manage("check_invariants", "--record")


def _kill(scene: Scene, worker: str) -> None:
    scene.workers[worker].kill()


def _order_service_cannot_be_reached(scene: Scene) -> None:
    """By the payment service, which asks it for the price of what is paid at `/pay`."""
    placed = [scene.order(payment="later").json["number"] for _ in range(3)]
    scene.links["payment->order"].rule = lambda _: Treatment(sent=0, answer="reset")
    scene.again_and_again(
        lambda number: scene.stack.payments.post("/pay", {"order_id": placed[number % 3], "amount": 30.00})
    )


def _database_is_locked(scene: Scene) -> None:
    """By a transaction that does not end."""
    name = scene.stack.services["order_service"].environment["DB_NAME"]
    holder = scene.ending.enter_context(_locked(Path(name)))
    holder.execute("update storage_heartbeat set beaten_at = beaten_at")


@contextmanager
def _locked(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("begin immediate")
        yield connection
        connection.execute("rollback")
    finally:
        connection.close()


def _gateway_cannot_be_reached(scene: Scene) -> None:
    """For every second charge: no circuit opens for that."""

    def charge(number: int) -> None:
        token = "tok_unavailable" if number % 2 else "tok_ok"
        body = {"order_id": str(uuid4()), "amount": 20, "method": "CARD"}
        scene.stack.payments.post("/api/payments/", {**body, "payment_method_details": {"token": token}})

    scene.again_and_again(charge, every_s=0.2)


def _payment_service_is_killed(scene: Scene) -> None:
    scene.stack.services["payment_service"].signal(signal.SIGKILL)
    time.sleep(0.1)


# A name of 255 characters of four bytes is too much; any other event is not.
_SMALL: Final = {"order_service": {"KAFKA_OPTIONS": "message.max.bytes=1200"}}
_NO_BROKER: Final = {"order_service": {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}}

FAULTS: Final = (
    Fault("payments answer 500", "OrderAvailabilityBurnsFast", _payments_answer_500),
    Fault("payments are slow", "OrderLatencyBurnsFast", _payments_are_slow),
    Fault("the stock cannot be confirmed", "OrderUnfinished", _stock_cannot_be_confirmed, is_quiet=True),
    Fault("a refund is refused for good", "RefundBlocked", _refund_is_refused),
    Fault("a void is refused for good", "PaymentBlocked", _void_is_refused),
    Fault("the broker is away", "OutboxNotMoving", _broker_is_away, settings=_NO_BROKER, is_quiet=True),
    Fault(
        "the broker refuses an event for good", "EventDead", _broker_refuses_an_event, settings=_SMALL, with_kafka=True
    ),
    Fault("a message that nobody understands", "MessageParked", _message_that_nobody_understands, with_kafka=True),
    Fault("rows are deleted by hand", "InvariantViolated", _row_is_changed_by_hand),
    Fault("the payment service is killed", "ServiceDown", _payment_service_is_killed),
    Fault("the order worker is killed", "WorkerNotRunning", lambda scene: _kill(scene, "order_service")),
    Fault("the consumer is killed", "ConsumerNotRunning", lambda scene: _kill(scene, "consumer"), with_kafka=True),
    Fault(
        "the order service cannot be reached by the payment service",
        "BreakerOpen",
        _order_service_cannot_be_reached,
    ),
    Fault("the database of the orders is locked", "DatabaseNotWritable", _database_is_locked),
    Fault("the gateway cannot be reached", "GatewayFailing", _gateway_cannot_be_reached),
)
