"""A system check, so that a wrong option of Kafka's client is found at the start and not by the first event."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string


@register
def kafka_takes_its_options(**_: Any) -> list[CheckMessage]:
    """No option that it does not know, no value that it refuses, no file that is not there. Connects to nobody."""
    if not settings.KAFKA:
        return []
    # By their names, so that a service without Kafka never loads its client.
    producer, failure = import_string("confluent_kafka.Producer"), import_string("confluent_kafka.KafkaException")
    try:
        producer({**settings.KAFKA.options, "log_level": 0})
    except failure as problem:
        hint = "See KAFKA_OPTIONS and the other KAFKA_ variables."
        return [Error(f"Kafka's client refuses its options: {problem.args[0].str()}", hint=hint, id="kafka.E001")]
    return []
