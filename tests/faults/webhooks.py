"""Webhooks while processes die: a receiver of everything, that fails now and then, and what it must have had."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from tests.receivers import Received, Receiver, Reply, receiver
from tests.stack import Stack, wait_until

SENDERS: Final = ("order_service", "payment_service")
DELIVERED_WITHIN_S: Final = 180.0
# One in so many is answered with a 500.
FAILS_ONCE_IN: Final = 7


@contextmanager
def receiving(*, fails: bool = True) -> Iterator[Receiver]:
    """A receiver of all that is sent, which fails now and then by itself."""

    def script(number: int, _: Received) -> Reply:
        return Reply(500 if fails and number % FAILS_ONCE_IN == 0 else 204)

    with receiver(script) as made:
        yield made


def ask_for_everything(stack: Stack, received: Receiver) -> None:
    """An endpoint at each service that has events, one of them in order."""
    for name, http in zip(SENDERS, (stack.orders, stack.payments), strict=True):
        asked = {"url": f"{received.url}/{name}", "events": ["*"], "ordered": name == "order_service"}
        assert http.post("/api/webhooks/", asked).status == 201


def is_delivered(stack: Stack, name: str) -> bool:
    """Whether a service has nothing to publish any more, and nothing waits."""
    queries = (
        "select 1 from events_event where published_at is null limit 1",
        "select 1 from webhooks_delivery where state = 'waiting' limit 1",
    )
    return not any(stack.services[name].rows(sql) for sql in queries)


def wait_until_delivered(stack: Stack) -> None:
    """The same of all of them."""
    wait_until(
        lambda: all(is_delivered(stack, name) for name in SENDERS),
        within_s=DELIVERED_WITHIN_S,
        what="every webhook is delivered",
    )


def problems_in(stack: Stack, received: Receiver) -> list[str]:
    """Each event has arrived, nothing else has, and none is dead."""
    problems = []
    for name in SENDERS:
        events = {str(UUID(str(uid))) for (uid,) in stack.services[name].rows("select id from events_event")}
        arrived = {each.headers["webhook-id"] for each in received.received if each.path.endswith(name)}
        problems += [f"{name}: event {uid} never arrived" for uid in events - arrived]
        problems += [f"{name}: {uid} arrived, and is no event" for uid in arrived - events]
        dead = stack.services[name].rows("select reason from webhooks_delivery where state = 'dead'")
        problems += [f"{name}: a delivery is dead: {reason}" for (reason,) in dead]
    return problems
