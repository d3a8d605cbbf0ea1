"""What the order service's worker does: each job takes a batch and returns how much it did."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog
from django.conf import settings

from order_service.orders import composition, events, finishing, payment_hints, reads, saga, use_cases, writes
from order_service.orders.errors import OrderBusy, PaymentServiceUnavailable
from order_service.orders.finishing import PaidOrder
from order_service.orders.states import Step
from servicekit.events import store
from servicekit.events.publishers.base import publisher
from servicekit.events.relay import Relay
from servicekit.idempotency.keys import purge_once
from servicekit.observability import spans
from servicekit.runtime import workers
from servicekit.webhooks import jobs as webhook_jobs
from servicekit.webhooks.fan_out import FanOut

log = structlog.get_logger()

# Few enough that SIGTERM is heard soon, enough to keep the query's price per order small.
BATCH: Final = 20
# A paid order that could not be closed with others so often goes by itself: they may be what is in its way.
_TOGETHER_BEFORE: Final = 2
# One may have a reason of its own; so many are an outage.
FAILURES_IN_A_ROW: Final = 3


def resume_once(run: saga.Run, *, batch: int = BATCH) -> int:
    """Take up orders that are due, with the code that the request runs; return how many were claimed.

    Those that are paid are closed together.
    """
    claimed = 0
    paid: list[PaidOrder] = []
    for number in reads.due_orders(batch=batch):
        work, retry_later = partial(_resume, number, run, paid), partial(_retry_unreadable_later, number)
        claimed += workers.isolated("resume", number, work, retry_later=retry_later) or 0
    if paid:
        finishing.finish(paid, run)
    return claimed


def _resume(number: int, run: saga.Run, paid: list[PaidOrder]) -> int:
    order = writes.claim(reads.order_by_number(number))
    if order is None:
        return 0
    log.info("order.resumed", order_id=str(order.uid), step=order.step, attempt=order.attempt)
    of = store.traceparent_of(events.AGGREGATE, str(order.uid)) if spans.are_on() else None
    if order.step == Step.SETTLED and order.retry_count < _TOGETHER_BEFORE:
        paid.append(PaidOrder(order, of))
        return 1
    with spans.root("order resumed", "internal", of=of):
        saga.resume(order, run.starting_now())
    return 1


def _retry_unreadable_later(number: int, why: str) -> None:
    writes.retry_unreadable_later(number, why=why)


def ask_once(run: saga.Run, *, batch: int = BATCH) -> int:
    """Ask about a batch of payments of which there is news, and settle their orders; return how many were asked about.

    Ends after a few in a row that cannot be asked about: the others could not be either. An order that is moved by the
    answer and comes into somebody's hands again is asked about once more when it is at rest.
    """
    asked = failed_in_a_row = 0
    for order in payment_hints.waiting(batch=batch):
        work, retry_later = partial(_ask, order, run), partial(_ask_later, order)
        could_ask = workers.isolated("ask", order.number, work, retry_later=retry_later)
        asked += bool(could_ask)
        failed_in_a_row = failed_in_a_row + 1 if could_ask is False else 0
        if failed_in_a_row == FAILURES_IN_A_ROW:
            break
    return asked


def _ask(order: payment_hints.Waiting, run: saga.Run) -> bool | None:
    """Whether the payment service could be asked; None when somebody else does."""
    claimed = payment_hints.claim(order)
    if claimed is None:
        return None
    try:
        found = use_cases.look_again(str(order.uid), run)
    except (PaymentServiceUnavailable, OrderBusy):
        payment_hints.retry_later(order)
        return False
    (payment_hints.forget if found.is_at_rest else payment_hints.keep)(order, claimed)
    return True


def _ask_later(order: payment_hints.Waiting, _why: str) -> None:
    payment_hints.retry_later(order, backoff=payment_hints.ASK_AFTER_A_PERSON)


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    events, webhooks = publisher(settings.KAFKA, source=settings.SERVICE_NAME), FanOut()
    return (
        ("resume", partial(resume_once, composition.a_run())),
        ("ask", partial(ask_once, composition.a_run())),
        ("relay", Relay(events, fan_out=webhooks.record).run_once),
        ("purge", purge_once),
        *webhook_jobs.jobs(),
    )


def lanes() -> Sequence[workers.Lane]:
    """What the others do not wait for."""
    return (webhook_jobs.lane(FanOut()),)
