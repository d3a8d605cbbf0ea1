"""What the payment service's worker does: each job takes a batch and returns how much it did."""

from collections.abc import Sequence

from django.conf import settings

from payment_service.payments.use_cases import notices, repair
from servicekit.events.publishers.base import publisher
from servicekit.events.relay import Relay
from servicekit.idempotency.keys import purge_once
from servicekit.runtime import workers


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    # A payment's events are kept in order by its order, as are the order's own.
    events = publisher(settings.KAFKA, source=settings.SERVICE_NAME, key="order_id")
    return (
        ("payments", repair.payments_once),
        ("refunds", repair.refunds_once),
        ("notices", notices.notices_once),
        ("relay", Relay(events).run_once),
        ("purge", purge_once),
    )
