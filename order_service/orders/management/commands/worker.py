"""`manage.py worker`: finishes what requests left unfinished."""

from collections.abc import Sequence

from order_service.orders import worker_jobs
from servicekit.runtime import workers
from servicekit.runtime.worker_command import WorkerCommand


class Command(WorkerCommand):
    help = (
        "Resumes orders whose request died, finishes compensations and refunds, expires unpaid orders, "
        "publishes events, delivers webhooks, and forgets old idempotency keys. "
        "Several may run at once. SIGTERM ends it cleanly."
    )

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        return worker_jobs.jobs()

    def lanes(self) -> Sequence[workers.Lane]:
        return worker_jobs.lanes()
