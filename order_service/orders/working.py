"""What the order service's worker does: each job takes a batch and returns how much it did."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from order_service.orders import saga, selectors, services, wiring
from servicekit import workers
from servicekit.events.relay import LogPublisher, relay_once
from servicekit.idempotency.keys import purge_once

log = structlog.get_logger()

# Few enough that SIGTERM is heard soon, enough to keep the query's price per order small.
BATCH: Final = 20


def resume_once(run: saga.Run, *, batch: int = BATCH) -> int:
    """Take up orders that are due, with the code that the request runs; return how many were claimed."""
    claimed = 0
    for order in selectors.due_orders(batch=batch):
        if services.claim(order):
            claimed += 1
            log.info("order.resumed", order_id=str(order.uid), step=order.step, attempt=order.attempt)
            saga.resume(order, run.starting_now())
    return claimed


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    return (
        ("resume", partial(resume_once, wiring.a_run())),
        ("relay", partial(relay_once, LogPublisher())),
        ("purge", purge_once),
    )
