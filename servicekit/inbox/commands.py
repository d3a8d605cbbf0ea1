"""What the management commands of all consumers have in common."""

from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from servicekit.inbox.connect import connect
from servicekit.inbox.purge import purge_once
from servicekit.inbox.receive import Subscription, replay_once
from servicekit.observability import actor
from servicekit.runtime import workers
from servicekit.runtime.heartbeat import HEARTBEAT
from servicekit.web import process_metrics

# How long a consumer rests when nothing has come: the longest that a message waits. A round of nothing is a few
# look-ups in small indexes.
IDLE_S: Final = 0.2
# What such a process is called in the metrics.
CONSUMER: Final = "consumer"


class ConsumeCommand(BaseCommand):
    """Consumes until SIGTERM. Several processes may run at once: Kafka shares the partitions out among them."""

    @abstractmethod
    def subscription(self) -> Subscription:
        """What is consumed."""

    @abstractmethod
    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        """What is done in turn with consuming: each takes a batch and returns how much it did."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--idle", type=float, default=IDLE_S, help="seconds to rest when nothing has come")
        parser.add_argument("--metrics-port", type=int, help="answer /metrics of this process on a port of its own")
        parser.add_argument("--heartbeat", type=Path, metavar="FILE", help="tell a probe there that the loop goes on")

    def handle(self, *_: Any, idle: float, metrics_port: int | None, heartbeat: Path | None, **__: Any) -> None:
        actor.act_as(actor.CONSUMER)
        if not settings.KAFKA:
            raise CommandError("KAFKA_BOOTSTRAP_SERVERS is not set: there is nothing to consume from")
        if metrics_port is not None:
            process_metrics.serve(metrics_port)
        if heartbeat is not None:
            HEARTBEAT.write_to(heartbeat)
        stop = workers.Stop().listen()
        subscription = self.subscription()
        consumer = connect(settings.KAFKA, subscription)
        own: list[tuple[str, workers.Job]] = [
            ("consume", consumer.consume_once),
            ("replay", partial(replay_once, subscription)),
            ("purge", partial(purge_once, settings.CONSUMED_KEPT_DAYS)),
        ]
        try:
            workers.run([*own, *self.jobs()], stop=stop, idle_s=idle, name=CONSUMER)
        finally:
            consumer.close()
