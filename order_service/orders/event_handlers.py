"""What the order service makes of events: of each that tells of a payment, a wish to ask about it (docs/adr/0013).

An event is a hint, like a notice. What it says about money is not believed; the payment service is asked, and so
duplicates, late ones and any order among them do no harm.
"""

from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings

from order_service.orders import payment_hints
from order_service.orders.payment_hints import News
from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.errors import Refused
from servicekit.inbox.receive import Subscription

CONSUMER: Final = "order_service"

NOTED: Final = "noted"
NO_NEWS: Final = "no_news"
# The payment service has clients whose orders are not ours.
UNKNOWN_ORDER: Final = "unknown_order"


def hear_of_payment(event: CloudEvent, *, what: News) -> str:
    """Note the news of a payment with its order. Raises Refused for an event that names no order."""
    order_id = _order_id(event)
    if order_id is not None and payment_hints.note(order_id, what):
        return NOTED
    return NO_NEWS if order_id is not None and payment_hints.is_known(order_id) else UNKNOWN_ORDER


def subscription() -> Subscription:
    """What the order service consumes."""
    return Subscription(
        consumer=CONSUMER,
        topics=(settings.KAFKA_PAYMENTS_TOPIC,),
        handlers={
            "payment.successful": partial(hear_of_payment, what=News.TAKEN),
            "payment.failed": partial(hear_of_payment, what=News.REFUSED),
            "payment.voided": partial(hear_of_payment, what=News.REFUSED),
            "payment.refunded": partial(hear_of_payment, what=News.GIVEN_BACK),
            "payment.refund_blocked": partial(hear_of_payment, what=News.KEPT),
            "payment.void_blocked": partial(hear_of_payment, what=News.KEPT),
        },
    )


def _order_id(event: CloudEvent) -> UUID | None:
    """None for what cannot be an order of ours."""
    reference = event.data.get("order_id")
    if not isinstance(reference, str):
        raise Refused("unknown_schema", f"the payload of {event.type} has no order_id that is text")
    try:
        return UUID(reference)
    except ValueError:
        return None
