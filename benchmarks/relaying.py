"""The measurement of `relay.py`, for when Django is set up."""

import statistics
import time
import uuid
from typing import Any, Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings
from django.core.management import call_command

from servicekit.events import outbox
from servicekit.events.cloudevents import writer
from servicekit.events.models import Event
from servicekit.events.publishers.kafka import KafkaPublisher
from servicekit.events.relay import Relay
from servicekit.runtime import processes

ROUNDS: Final = 5
PARTITIONS: Final = 3
# What a payment has in its life: authorised, captured, refunded.
EVENTS_OF_A_PAYMENT: Final = 3


def fill(count: int) -> None:
    """Unpublished events as the payment service writes them."""

    def event(number: int) -> Event:
        payment, sequence = divmod(number, EVENTS_OF_A_PAYMENT)
        order, uid = uuid.UUID(int=payment), uuid.UUID(int=2**64 + payment)
        payload = (
            f'{{"order_id":"{order}","number":{payment},"status":"CAPTURED","amount":50.00,"captured":50.00,'
            f'"refunded":0.00,"currency":"USD","method":"CARD","attempt":1}}'
        )
        return Event(
            aggregatetype="payment",
            aggregateid=str(uid),
            sequence=sequence + 2,
            type="payment.successful",
            payload=payload,
        )

    Event.objects.all().delete()
    Event.objects.bulk_create(map(event, range(count)), batch_size=1000)


def relayed(publisher: Any, count: int) -> float:
    """Events a second."""
    relay, marked, began = Relay(publisher), 0, time.perf_counter()
    while marked < count:
        marked += relay.run_once()
    return count / (time.perf_counter() - began)


def produced(producer: Any, topic: str, messages: list[Any]) -> float:
    """Messages a second."""
    acknowledged: list[int] = []

    def delivered(error: Any, _message: Any) -> None:
        assert error is None, error
        acknowledged.append(1)

    began = time.perf_counter()
    for number, (key, value, headers) in enumerate(messages):
        producer.produce(topic, value, key, headers=headers, on_delivery=delivered)
        if number % 500 == 0:
            producer.poll(0)
    producer.flush()
    assert len(acknowledged) == len(messages)
    return len(messages) / (time.perf_counter() - began)


def measure(count: int) -> tuple[list[float], list[float]]:
    admin = AdminClient({**settings.KAFKA.client()})
    admin.create_topics([NewTopic(settings.KAFKA.topic, PARTITIONS)])[settings.KAFKA.topic].result()
    publisher = KafkaPublisher(settings.KAFKA, source="payment_service", key="order_id")
    producer = Producer(publisher.configuration)
    fill(count)
    write = writer(source="/payment_service", key="order_id")
    messages = [write(event) for event in outbox.read(after=outbox.BEFORE_ALL, limit=count)]
    processes.prepare_process()  # as a worker does
    # The first of each connects; that is not what is compared.
    produced(producer, settings.KAFKA.topic, messages[:1])
    ready, relay = [], []
    for round_no in range(ROUNDS + 1):
        fill(count if round_no else 1)
        relay.append(relayed(publisher, count if round_no else 1))
        ready.append(produced(producer, settings.KAFKA.topic, messages))
    return relay[1:], ready[1:]


def compare(count: int) -> None:
    """Print both, and what they come to."""
    call_command("migrate", verbosity=0)
    relay, ready = measure(count)
    for name, rates in (("ready-made messages", ready), ("relay", relay)):
        rounds = ", ".join(f"{rate:,.0f}" for rate in rates)
        print(f"{name:<20} {statistics.median(rates):>9,.0f} a second   ({rounds})")
    print(f"ratio                {statistics.median(relay) / statistics.median(ready):>9.2f}")
