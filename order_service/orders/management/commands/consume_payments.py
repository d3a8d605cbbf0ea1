"""`manage.py consume_payments`: learns of payments and refunds from Kafka."""

from collections.abc import Sequence
from functools import partial

from order_service.orders import composition, event_handlers, worker_jobs
from servicekit.inbox.commands import ConsumeCommand
from servicekit.inbox.receive import Subscription
from servicekit.runtime import workers


class Command(ConsumeCommand):
    help = (
        "Learns from Kafka which payments were taken or given back, and asks the payment service about their orders. "
        "In place of the payment service's notices (ORDER_NOTICES=off there). Several may run at once. SIGTERM ends "
        "it cleanly."
    )

    def subscription(self) -> Subscription:
        return event_handlers.subscription()

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        return (("ask", partial(worker_jobs.ask_once, composition.a_run())),)
