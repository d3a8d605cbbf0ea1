"""`manage.py consume_events`: turns events into mails."""

from collections.abc import Sequence

from notify_service.mailing import event_handlers, sending
from servicekit.inbox.commands import ConsumeCommand
from servicekit.inbox.receive import Subscription
from servicekit.runtime import workers


class Command(ConsumeCommand):
    help = (
        "Writes a mail for each payment, failed payment and refund that Kafka tells of, once, and sends it. Several "
        "may run at once. SIGTERM ends it cleanly."
    )

    def subscription(self) -> Subscription:
        return event_handlers.subscription()

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        return (("send", sending.send_once), ("forget", sending.purge_once))
