"""Webhook deliveries: what was sent to whom of one order, and what could not be sent to anybody."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orderpay
from console.pages.services import Asked, ask, looking

# Of whom webhooks are asked for, and how that is called in a path.
SENDERS: Final = {"orders": "order", "payments": "payment"}
# A page that somebody looks at asks for no more than that: of so many webhooks of a service, so many deliveries each.
_MOST_WEBHOOKS: Final = 10
_MOST_DELIVERIES: Final = 50
_MOST_DEAD: Final = 5


@dataclass(frozen=True)
class Sent:
    """One delivery, and whose it is."""

    of: str
    webhook: orderpay.Webhook
    delivery: orderpay.Delivery

    @property
    def to(self) -> str:
        """What a person calls the receiver."""
        return self.webhook.description or self.webhook.url

    @property
    def resend(self) -> str:
        """Where it can be sent again, after being asked once more."""
        return f"/do/resend-{SENDERS[self.of]}-webhook/{self.webhook.id}.{self.delivery.id}/"


def of_order(order_id: str) -> Asked[Sequence[Sent]]:
    """Every delivery of an order's events and of its payment's."""
    return _ask(subject=order_id, most=_MOST_DELIVERIES)


def dead() -> Asked[Sequence[Sent]]:
    """What is not tried any more, the newest of each webhook."""
    return _ask(state="dead", most=_MOST_DEAD)


def _ask(*, most: int, subject: str | None = None, state: str | None = None) -> Asked[Sequence[Sent]]:
    """Both services side by side; one that is away takes the other's with it no more than its problem is said."""

    def of_one(of: str) -> Asked[Sequence[Sent]]:
        return ask(lambda: _found(of, most=most, subject=subject, state=state), of=of)

    with ThreadPoolExecutor(len(SENDERS)) as pool:
        found = list(pool.map(of_one, SENDERS))
    sent = [each for asked in found for each in asked.value or ()]
    return Asked(sent, next((asked.problem for asked in found if asked.problem), ""))


def _found(of: str, *, most: int, subject: str | None, state: str | None) -> list[Sent]:
    hooks = looking().webhooks[of]
    return [
        Sent(of, webhook, delivery)
        for webhook in hooks.list()[:_MOST_WEBHOOKS]
        for delivery in islice(hooks.deliveries(webhook.id, subject=subject, state=state, per_page=most), most)
    ]
