"""News of an order's payment: remembered in the order's row until somebody has asked the payment service about it.

No version changes with it, so the lease of a running saga stays good.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from order_service.orders.models import AT_REST, Order
from order_service.orders.states import Status, Step
from servicekit.db import clock
from servicekit.retry import Backoff

# After a question that moved the order and left it in somebody's hands, or that could not be asked.
ASK_AGAIN: Final = Backoff(first_s=2.0, longest_s=30.0)
# After one that failed for a reason that is no outage: a person has to put something right.
ASK_AFTER_A_PERSON: Final = Backoff(first_s=2.0, longest_s=600.0)


class News(Enum):
    """What became of a payment. The rest that can happen to one changes no order."""

    TAKEN = "taken"
    REFUSED = "refused"
    GIVEN_BACK = "given back"
    KEPT = "kept"  # the gateway refuses for good to give it back


# Of an order in the saga's hands that is being paid, the saga finds out by itself; so it does of one that it refunds.
_SAGA_PAYS: Final = Q(step=Step.RESERVED.value, pay_later=False)
_SAGA_REFUNDS: Final = Q(step=Step.REFUNDING.value)
# The orders that may have to be moved for it. A PAID one was paid by just that, a REFUNDED one is done with.
_CONCERNS: Final[Mapping[News, Q]] = {
    News.TAKEN: Q(status=Status.PENDING.value) & ~_SAGA_PAYS | Q(status=Status.CANCELLED.value),
    # Of others the saga finds out, or their customers may pay them yet.
    News.REFUSED: Q(status=Status.PENDING.value, step=Step.RESERVED.value, pay_later=True, attempt__gt=0),
    News.GIVEN_BACK: (
        Q(status=Status.PENDING.value)
        | Q(status=Status.PAID.value) & ~_SAGA_REFUNDS
        | Q(status=Status.CANCELLED.value, refund_blocked__gt="")
    ),
    News.KEPT: Q(status=Status.CANCELLED.value) | Q(status=Status.PAID.value) & ~_SAGA_REFUNDS,
}


def note(order_id: UUID, news: News) -> bool:
    """Remember that the payment service is to be asked about this order; whether there is anything to ask."""
    return bool(Order.objects.filter(_CONCERNS[news], uid=order_id).update(ask_at=Now()))


def is_known(order_id: UUID) -> bool:
    """Whether the order is one of ours."""
    return Order.objects.filter(uid=order_id).exists()


class Waiting(NamedTuple):
    """An order that the payment service is to be asked about."""

    number: int
    uid: UUID


def waiting(*, batch: int) -> Collection[Waiting]:
    """Orders at rest that the payment service is to be asked about now, those that waited longest first.

    Of one that somebody has in hand, what is answered now may be news to it only later: it must wait.
    """
    found = Order.objects.filter(AT_REST, ask_at__lte=Now()).order_by("ask_at").values_list("number", "uid")[:batch]
    return [Waiting(*row) for row in found]


def claim(order: Waiting) -> datetime | None:
    """Take it on to ask, for as long as a lease lasts; None when somebody was faster, else what to give it back by."""
    taken = Order.objects.filter(pk=order.number, ask_at__lte=Now())
    if not taken.update(ask_at=clock.seconds_from_now(settings.ORDER_LEASE_S)):
        return None
    return Order.objects.values_list("ask_at", flat=True).get(pk=order.number)


def forget(order: Waiting, claimed: datetime) -> None:
    """It was asked, and the order is where its payment is; unless there is news again."""
    Order.objects.filter(pk=order.number, ask_at=claimed).update(ask_at=None, ask_retry_count=0)


def keep(order: Waiting, claimed: datetime) -> None:
    """It was asked, and is to be asked again a little later."""
    asked = Order.objects.filter(pk=order.number, ask_at=claimed)
    asked.update(ask_at=clock.seconds_from_now(ASK_AGAIN.first_s), ask_retry_count=0)


def retry_later(order: Waiting, *, backoff: Backoff = ASK_AGAIN) -> None:
    """It could not be asked: again later, after a wait that doubles each time."""
    count = Order.objects.values_list("ask_retry_count", flat=True).get(pk=order.number)
    Order.objects.filter(pk=order.number, ask_at__isnull=False).update(
        ask_at=clock.seconds_from_now(backoff.wait_s(count)), ask_retry_count=min(count + 1, 1000)
    )
