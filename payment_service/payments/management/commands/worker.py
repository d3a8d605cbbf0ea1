"""`manage.py worker`: finishes what requests left unfinished."""

from collections.abc import Sequence

from payment_service.payments import worker_jobs
from servicekit.runtime import workers
from servicekit.runtime.worker_command import WorkerCommand


class Command(WorkerCommand):
    help = (
        "Finds out about payments and refunds whose answer is missing, carries out remembered voids, publishes "
        "events, and forgets old idempotency keys. Several may run at once. SIGTERM ends it cleanly."
    )

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        return worker_jobs.jobs()

    def lanes(self) -> Sequence[workers.Lane]:
        return worker_jobs.lanes()
