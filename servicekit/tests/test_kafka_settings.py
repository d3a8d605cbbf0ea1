"""What the environment says about Kafka."""

from pathlib import Path
from typing import Any

import pytest
from environs import Env, EnvError

from servicekit.settings import kafka
from servicekit.settings.checks import kafka_takes_its_options


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Env:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "KAFKA_OPTIONS", "KAFKA_SASL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return Env()


def test_without_a_variable_there_is_no_kafka(env: Env) -> None:
    """The settings are there all the same, with the service's own topic."""
    found = kafka.settings(env, topic="payments")
    assert not found
    assert (found.topic, dict(found.options)) == ("payments", {})


def test_a_client_gets_what_is_set(env: Env, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By librdkafka's names; what is not set is not there; the secret may be in a file."""
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092,two:9092")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("KAFKA_OPTIONS", "compression.type=lz4,linger.ms=20")
    found = kafka.settings(env, topic="orders")
    assert found
    assert found.client() == {
        "bootstrap.servers": "one:9092,two:9092",
        "security.protocol": "SASL_SSL",
        "sasl.password": "hush",
        "compression.type": "lz4",
        "linger.ms": "20",
    }


def test_a_password_is_not_shown(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings end up in tracebacks and shells."""
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hush")
    assert "hush" not in repr(kafka.settings(env, topic="orders"))


@pytest.mark.parametrize("topic", ["", "a b", "x" * 250, "päyments", "a/b"])
def test_a_topic_must_be_a_name_that_kafka_takes(env: Env, monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
    """A wrong one stops the start, not the first event."""
    monkeypatch.setenv("KAFKA_TOPIC", topic)
    with pytest.raises(EnvError, match="KAFKA_TOPIC"):
        kafka.settings(env, topic="orders")


@pytest.mark.parametrize("options", ["linger.ms", "linger.ms=20,", '{"sasl.password": "hush"}'])
def test_options_that_are_no_pairs_are_named(env: Env, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    """The message says which variable is wrong; it does not show the value, in which a password may be."""
    monkeypatch.setenv("KAFKA_OPTIONS", options)
    with pytest.raises(EnvError, match="KAFKA_OPTIONS") as caught:
        kafka.settings(env, topic="orders")
    assert options not in str(caught.value)


def test_options_that_the_client_takes_are_no_problem(settings: Any) -> None:
    """Nor is a service without Kafka, whatever else it was told."""
    settings.KAFKA = kafka.KafkaSettings("nobody.invalid:9092", "orders", {"linger.ms": "20", "fetch.min.bytes": "1"})
    assert kafka_takes_its_options() == []
    settings.KAFKA = kafka.KafkaSettings("", "orders", {"lingr.ms": "20"})
    assert kafka_takes_its_options() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lingr.ms": "20"}, 'No such configuration property: "lingr.ms"'),
        ({"linger.ms": "soon"}, "Invalid value for configuration property"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere.pem"}, "ssl.ca.location failed"),
    ],
)
def test_options_that_the_client_refuses_stop_the_start(settings: Any, options: dict[str, str], said: str) -> None:
    """Each command says which it is, where else the first event would have to wait."""
    settings.KAFKA = kafka.KafkaSettings("nobody.invalid:9092", "orders", options)
    (complaint,) = kafka_takes_its_options()
    assert (complaint.id, said in str(complaint.msg)) == ("kafka.E001", True), complaint.msg
