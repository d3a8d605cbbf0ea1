"""What the payment service's worker does: each job takes a batch and returns how much it did."""

from collections.abc import Sequence
from functools import partial

from payment_service.payments.processing import notices, repair
from servicekit import workers
from servicekit.events.relay import LogPublisher, relay_once
from servicekit.idempotency.keys import purge_once


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    return (
        ("payments", repair.payments_once),
        ("refunds", repair.refunds_once),
        ("notices", notices.notices_once),
        ("relay", partial(relay_once, LogPublisher())),
        ("purge", purge_once),
    )
