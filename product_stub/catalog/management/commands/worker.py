"""`manage.py worker`: lets go of stock that nobody needs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from product_stub.catalog.releasing import jobs
from servicekit import exposition, workers


class Command(BaseCommand):
    help = (
        "Releases reservations that were held for too long and belong to no order, and forgets old idempotency keys. "
        "Several may run at once. SIGTERM ends it cleanly."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run each job once and end")
        parser.add_argument("--idle", type=float, default=workers.IDLE_S, help="seconds to rest when there is no work")
        parser.add_argument("--metrics-port", type=int, help="answer /metrics of this process on a port of its own")

    def handle(self, *_: Any, once: bool, idle: float, metrics_port: int | None, **__: Any) -> None:
        if once:
            for name, job in jobs():
                self.stdout.write(f"{name}: {job()}")
            return
        if metrics_port is not None:
            exposition.serve(metrics_port)
        workers.run(jobs(), stop=workers.Stop().listen(), idle_s=idle)
