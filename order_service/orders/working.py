"""What the order service's worker does: each job takes a batch and returns how much it did."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog
from django.conf import settings

from order_service.orders import actions, news, saga, selectors, services, wiring
from order_service.orders.errors import OrderBusy, PaymentServiceUnavailable
from order_service.orders.states import Step
from servicekit import workers
from servicekit.events.publishers import publisher
from servicekit.events.relay import Relay
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


def ask_once(run: saga.Run, *, batch: int = BATCH) -> int:
    """Ask about a batch of payments of which there is news, and settle their orders; return how many were asked about.

    Ends at the first that cannot be asked about: the others could not be either. An order that is moved by the answer
    and comes into somebody's hands again is asked about once more when it is at rest.
    """
    asked = 0
    for order in news.waiting(batch=batch):
        claimed = news.claim(order)
        if claimed is None:
            continue
        try:
            found = actions.look_again(str(order.uid), run)
        except (PaymentServiceUnavailable, OrderBusy):
            news.keep(order, claimed)
            break
        asked += 1
        is_at_rest = found.step == Step.CLOSED or saga.waits_for_its_customer(found)
        (news.forget if is_at_rest else news.keep)(order, claimed)
    return asked


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    return (
        ("resume", partial(resume_once, wiring.a_run())),
        ("ask", partial(ask_once, wiring.a_run())),
        ("relay", Relay(publisher(settings.KAFKA, source=settings.SERVICE_NAME)).run_once),
        ("purge", purge_once),
    )
