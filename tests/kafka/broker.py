"""The real broker of a test run: what is done to it, and what has arrived there."""

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from tests.brokers import WITHIN_S, Topics
from tests.consuming import header
from tests.stack import ROOT

KAFKA: Final = ROOT / "scripts" / "kafka"
PARTITIONS: Final = 3


class Arrived(NamedTuple):
    """A message, as far as the tests look at it."""

    key: str
    sequence: int
    event_id: str
    type: str


class Broker:
    """The one that `scripts/kafka run` has started."""

    def __init__(self) -> None:
        self.folder = Path(os.environ["KAFKA_FOLDER"])
        self.servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]

    def freeze(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        self._run("kill")

    def start(self) -> None:
        """Again, with what it had; leave one that runs alone."""
        self._run("start")

    def topic(self, *, exists: bool = True, **settings: str) -> str:
        """The name of a new topic; `settings` are Kafka's, with `_` for `.`."""
        name = f"events-{secrets.token_hex(4)}"
        if exists:
            self.create(name, **settings)
        return name

    def create(self, name: str, **settings: str) -> None:
        config = {setting.replace("_", "."): value for setting, value in settings.items()}
        topic = NewTopic(name, PARTITIONS, replication_factor=1, config=config)
        admin = self._admin()  # it must outlive the answer
        admin.create_topics([topic])[name].result(WITHIN_S)

    def set(self, topic: str, setting: str, value: str) -> None:
        entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin = self._admin()
        admin.incremental_alter_configs([resource])[resource].result(WITHIN_S)

    def arrived(self, topic: str) -> list[Arrived]:
        """All messages of a topic, those of a key in order."""
        found = Topics(self.servers, topic, topic, session_ms=6000).read(topic)
        return [
            Arrived(
                (message.key() or b"").decode(),
                int(header(message, "ce_sequence")),
                header(message, "ce_id"),
                header(message, "ce_type"),
            )
            for message in found
        ]

    @property
    def _pid(self) -> int:
        return int(json.loads((self.folder / "broker.json").read_text())["pid"])

    def _run(self, action: str) -> None:
        subprocess.run([KAFKA, action, "--folder", self.folder], check=True, stdout=subprocess.DEVNULL)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})


def first_of_each(messages: Sequence[Arrived]) -> list[Arrived]:
    """Without the repetitions, which a reader knows by their id."""
    return list({message.event_id: message for message in reversed(messages)}.values())[::-1]
