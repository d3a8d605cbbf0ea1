"""A broker for the tests of the relay, and a clock that only they move."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servicekit.events import store
from servicekit.events.outbox import Waiting
from servicekit.events.publishers.base import Outcome, Refusal
from servicekit.events.relay import Relay
from servicekit.tests.clocks import Clock

# What there is to be asked for.
PAYLOADS: Mapping[str, type] = dict.fromkeys(("order.created", "order.paid", "payment.failed"), dict)

TOO_LARGE = Refusal("MSG_SIZE_TOO_LARGE", "Broker: Message size too large", is_permanent=True)
NO_TOPIC = Refusal("UNKNOWN_TOPIC", "Broker: Unknown topic", is_permanent=False)


def append(event_type: str, *, subject: str = "o-1", sequence: int = 1, **data: Any) -> None:
    store.append(event_type, aggregate_type="order", aggregate_id=subject, sequence=sequence, data=data)


@dataclass
class FakeBroker:
    """Takes what it is given, in batches as Kafka does: one that is refused for good takes its batch with it.

    Attributes:
        refuses: Type of event → why it is refused, for as long as that stands here.
        answers: When off, nothing is acknowledged; what is handed over waits.
        on_publish: Called in the middle of each call, when the events are taken but nobody knows yet.
    """

    refuses: dict[str, Refusal] = field(default_factory=dict)
    answers: bool = True
    on_publish: Callable[[], None] = lambda: None
    taken: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    forgotten: int = 0
    _on_the_way: deque[Waiting] = field(default_factory=deque)

    @property
    def outstanding(self) -> int:
        return len(self._on_the_way)

    def publish_in_order(self, events: Sequence[Waiting], *, leave: int, within_s: float) -> Outcome:
        self.batches.append(len(events))
        self._on_the_way.extend(events)
        if not self.answers:
            return Outcome()
        refusal = next((self.refuses[event.type] for event in self._on_the_way if event.type in self.refuses), None)
        arrived = self._arrive(refusal, leave)
        self.on_publish()
        return Outcome([event.position for event in arrived], self._refuse(refusal))

    def forget(self) -> None:
        self.forgotten += len(self._on_the_way)
        self._on_the_way.clear()

    def _arrive(self, refusal: Refusal | None, leave: int) -> list[Waiting]:
        arrived = []
        while len(self._on_the_way) > leave and (refusal is None or not refusal.is_permanent):
            if self._on_the_way[0].type in self.refuses:
                break
            arrived.append(self._on_the_way.popleft())
        self.taken += [event.type for event in arrived]
        return arrived

    def _refuse(self, refusal: Refusal | None) -> Mapping[int, Refusal]:
        if refusal is None:
            return {}
        refused = {event.position: refusal for event in self._on_the_way}
        self._on_the_way.clear()
        return refused


class RelayAt(Relay):
    """A relay whose time passes only when told, or by so much at each run."""

    def __init__(self, broker: FakeBroker, *, batch: int = 100) -> None:
        self.clock = Clock(1000.0)
        super().__init__(broker, batch=batch, monotonic=self.clock)

    def run_after(self, seconds: float) -> int:
        self.clock.now += seconds
        return self.run_once()
