"""`manage.py worker`: finishes what requests left unfinished."""

from collections.abc import Sequence

from order_service.orders import working
from servicekit import workers
from servicekit.worker_command import WorkerCommand


class Command(WorkerCommand):
    help = (
        "Resumes orders whose request died, finishes compensations and refunds, expires unpaid orders, "
        "publishes events, and forgets old idempotency keys. Several may run at once. SIGTERM ends it cleanly."
    )

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        return working.jobs()
