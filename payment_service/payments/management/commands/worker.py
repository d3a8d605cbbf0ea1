"""`manage.py worker`: finishes what requests left unfinished."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from payment_service.payments.processing.jobs import jobs
from servicekit import workers


class Command(BaseCommand):
    help = (
        "Finds out about payments and refunds whose answer is missing, carries out remembered voids, publishes "
        "events, and forgets old idempotency keys. Several may run at once. SIGTERM ends it cleanly."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run each job once and end")
        parser.add_argument("--idle", type=float, default=workers.IDLE_S, help="seconds to rest when there is no work")

    def handle(self, *_: Any, once: bool, idle: float, **__: Any) -> None:
        if once:
            for name, job in jobs():
                self.stdout.write(f"{name}: {job()}")
            return
        workers.run(jobs(), stop=workers.Stop().listen(), idle_s=idle)
