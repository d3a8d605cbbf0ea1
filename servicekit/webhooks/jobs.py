"""What a worker does for webhooks: deliver, in a lane of its own, and two small jobs beside the others."""

from collections.abc import Sequence
from functools import partial

from django.conf import settings

from servicekit.runtime.workers import Job, Lane
from servicekit.webhooks import deliveries, mails
from servicekit.webhooks.deliverer import Deliverer
from servicekit.webhooks.fan_out import FanOut
from servicekit.webhooks.sending import Sender


def lane(fan_out: FanOut) -> Lane:
    """Receivers are slow when they like to be, and nothing else waits for them."""
    told = settings.WEBHOOKS
    sender = Sender(allowed=told.allowed, timeout_s=told.timeout_s)
    deliverer = Deliverer(sender, told, record_late=fan_out.record_late)
    return Lane("webhooks", (("webhooks", deliverer.run_once),), finish=deliverer.finish)


def jobs() -> Sequence[tuple[str, Job]]:
    """The others, by name."""
    return (
        ("webhook mails", mails.send_once),
        ("webhook purge", partial(deliveries.purge_once, settings.WEBHOOKS.kept_s)),
    )
