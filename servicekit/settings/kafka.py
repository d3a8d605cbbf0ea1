"""What a service is told about Kafka by its environment; for the side that publishes and for one that consumes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from environs import Env, EnvError

from servicekit.settings import env as environment

# What both sides of the connection are told by variables of their own, by its name in librdkafka's configuration.
_OPTIONS: Final = {
    "KAFKA_SECURITY_PROTOCOL": "security.protocol",
    "KAFKA_SASL_MECHANISM": "sasl.mechanism",
    "KAFKA_SASL_USERNAME": "sasl.username",
    "KAFKA_SSL_CA_LOCATION": "ssl.ca.location",
}
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)


@dataclass(frozen=True)
class KafkaSettings:
    """Where Kafka is and how to talk to it.

    Attributes:
        bootstrap_servers: `host:port,host:port`; empty where there is no Kafka.
        topic: Where the service's own events go.
        options: librdkafka's configuration, for producers and consumers alike. May hold a password: it has no repr.
    """

    bootstrap_servers: str
    topic: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.bootstrap_servers)

    def client(self) -> dict[str, str]:
        """The configuration that every client begins with."""
        return {"bootstrap.servers": self.bootstrap_servers, **self.options}


def settings(env: Env, *, topic: str) -> KafkaSettings:
    """The `KAFKA_*` variables.

    Args:
        topic: The default of `KAFKA_TOPIC`.
    """
    given = {option: env.str(name, default="") for name, option in _OPTIONS.items()}
    given["sasl.password"] = environment.secret(env, "KAFKA_SASL_PASSWORD")
    return KafkaSettings(
        bootstrap_servers=env.str("KAFKA_BOOTSTRAP_SERVERS", default="").strip(),
        topic=topic_name(env, "KAFKA_TOPIC", default=topic),
        options={**{option: value for option, value in given.items() if value}, **_more(env)},
    )


def _more(env: Env) -> dict[str, str]:
    """`KAFKA_OPTIONS`. What is wrong with it is said without its value: a password may be in that."""
    try:
        options: dict[str, str] = env.dict("KAFKA_OPTIONS", default={})
    except ValueError:
        raise EnvError('Environment variable "KAFKA_OPTIONS" must be like "name=value,name=value"') from None
    return options


def topic_name(env: Env, name: str, *, default: str) -> str:
    """A variable that is the name of a topic."""
    topic: str = env.str(name, default=default)
    if not _TOPIC.fullmatch(topic):
        raise EnvError(f'Environment variable "{name}" must be a topic of 1 to 249 of A-Za-z0-9._-, not {topic!r}')
    return topic
