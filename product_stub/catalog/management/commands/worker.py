"""`manage.py worker`: lets go of stock that nobody needs."""

from collections.abc import Sequence

from product_stub.catalog import worker_jobs
from servicekit.runtime import workers
from servicekit.runtime.worker_command import WorkerCommand


class Command(WorkerCommand):
    help = (
        "Releases reservations that were held for too long and belong to no order, and forgets old idempotency keys. "
        "Several may run at once. SIGTERM ends it cleanly."
    )

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        return worker_jobs.jobs()
