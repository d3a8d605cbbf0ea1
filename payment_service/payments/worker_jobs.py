"""What the payment service's worker does: each job takes a batch and returns how much it did."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from django.conf import settings

from payment_service.payments.models import GatewayNotice
from payment_service.payments.use_cases import notices, repair
from servicekit.db import purge
from servicekit.events.publishers.base import publisher
from servicekit.events.relay import Relay
from servicekit.idempotency.keys import purge_once
from servicekit.runtime import workers
from servicekit.webhooks import jobs as webhook_jobs
from servicekit.webhooks.fan_out import FanOut

# A payment's events are kept in order by its order, as are the order's own.
# Stripe tells the same for three days until it is taken.
_NOTICES_KEPT_S: Final = 30 * 24 * 3600.0
_IN_ORDER_BY: Final = "order_id"


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    events = publisher(settings.KAFKA, source=settings.SERVICE_NAME, key=_IN_ORDER_BY)
    told = GatewayNotice.objects.all()
    return (
        ("payments", repair.payments_once),
        ("refunds", repair.refunds_once),
        ("notices", notices.notices_once),
        ("relay", Relay(events, fan_out=FanOut(key=_IN_ORDER_BY).record).run_once),
        ("purge", purge_once),
        ("stripe purge", partial(purge.delete_older, told, "received_at", than_s=_NOTICES_KEPT_S)),
        *webhook_jobs.jobs(),
    )


def lanes() -> Sequence[workers.Lane]:
    """What the others do not wait for."""
    return (webhook_jobs.lane(FanOut(key=_IN_ORDER_BY)),)
