"""Everything that a network does to a request, on a webhook's way to its receiver: each event arrives all the same.

Every event has a fault of its own, which its first attempt meets. The log says what became of each attempt.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final
from uuid import UUID

import pytest

from tests.faults import webhooks
from tests.faults.checking import checking
from tests.faults.faulty_proxy import FAULTS, PASSES, Call, Treatment, faulty_proxy
from tests.faults.result_log import ResultLog
from tests.receivers import Receiver
from tests.stack import Stack, wait_until

MakeStack = Callable[..., Stack]
# Each makes several events at both services, and every fault is to be met several times.
ORDERS: Final = 12
TIMEOUT_S: Final = 1.0
SETTINGS: Final[Mapping[str, str]] = {
    "WEBHOOK_ALLOW": "127.0.0.0/8",
    "WEBHOOK_RETRY_S": ",".join(["0.2"] * 50),
    "WEBHOOK_TIMEOUT_S": str(TIMEOUT_S),
    "GATEWAY_SUCCESS_RATE": "1",
    "GATEWAY_DELAY_MS": "0-1",
}
# After these the first attempt has its answer, or may have it.
HARMLESS: Final = frozenset({"held back", "delivered twice", "delivered twice at once"})
MAY_BE_HARMLESS: Final = frozenset({"answer cut in half", "answer a byte at a time"})
# How often the receiver has it in the end, where that does not hang on who is faster.
ARRIVES: Final[Mapping[str, int]] = {
    "held back": 1,
    "connection reset before the peer has seen it": 1,
    "connection reset after the peer has handled it": 2,
    "answered 503 instead of the peer": 1,
    "answered 500 instead of the peer": 1,
    "request lost": 1,
    "answer lost": 2,
    "delivered twice": 2,
    "delivered twice at once": 2,
    "delivered when its sender has gone on": 2,
}


@dataclass
class Faults:
    """Which fault each message has met, by its id."""

    met: dict[str, str] = field(default_factory=dict)
    _next: Iterator[str] = field(default_factory=lambda: cycle(FAULTS))

    def rule(self, call: Call) -> Treatment:
        (message_id,) = (value for name, value in call.headers.items() if name.lower() == "webhook-id")
        if message_id in self.met:
            return PASSES
        self.met[message_id] = next(self._next)
        return FAULTS[self.met[message_id]]

    def met_by(self, fault: str) -> list[str]:
        return [message_id for message_id, met in self.met.items() if met == fault]


@dataclass
class Campaign:
    """What was sent and arrived, and what the log says of each message: its state, and its attempts in their order."""

    faults: Faults
    arrived: Mapping[str, int]
    log: Mapping[str, tuple[str, list[tuple[int | None, str]]]]
    out_of_order: list[str]
    problems: list[str]


@pytest.fixture(scope="module")
def campaign(make_module_stack: MakeStack) -> Iterator[Campaign]:
    stack = make_module_stack(settings=dict.fromkeys(webhooks.SENDERS, SETTINGS))
    faults = Faults()
    with webhooks.receiving(fails=False) as received, faulty_proxy() as link:
        link.target, link.rule = f"http://127.0.0.1:{received.port}", faults.rule
        for name, http in zip(webhooks.SENDERS, (stack.orders, stack.payments), strict=True):
            asked = {"url": f"{link.url}/hooks/{name}", "events": ["*"], "ordered": name == "order_service"}
            assert http.post("/api/webhooks/", asked).status == 201
        for _ in range(ORDERS):
            placed = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1]})
            assert placed.json["status"] == "PAID"
        stack.start_workers()
        wait_until(lambda: all(faults.met.get(each) for each in _events(stack)), what="each event was sent once")
        webhooks.wait_until_delivered(stack)
        late = faults.met_by("delivered when its sender has gone on")
        wait_until(
            lambda: all(received.ids().count(each) > 1 for each in late), what="what was held back is there, too"
        )
        with checking(stack) as checker:
            problems = [*webhooks.problems_in(stack, received), *map(str, checker.violations())]
        yield Campaign(faults, Counter(received.ids()), _log(stack), _out_of_order(received), problems)


def _events(stack: Stack) -> list[str]:
    return [
        str(UUID(str(uid)))
        for name in webhooks.SENDERS
        for (uid,) in stack.services[name].rows("select id from events_event")
    ]


def _log(stack: Stack) -> dict[str, tuple[str, list[tuple[int | None, str]]]]:
    found = {}
    asked = "select number, event_id, state from webhooks_delivery order by number"
    for name in webhooks.SENDERS:
        attempts: dict[int, list[Any]] = defaultdict(list)
        for number, status, problem in stack.services[name].rows(
            "select delivery_id, status, problem from webhooks_attempt order by number"
        ):
            attempts[number].append((status, problem))
        events = dict(stack.services[name].rows("select position, id from events_event"))
        for number, event, state in stack.services[name].rows(asked):
            found[str(UUID(str(events[event])))] = (state, attempts[number])
    return found


def _out_of_order(received: Receiver) -> list[str]:
    """Orders whose events came first in another order than theirs, at the endpoint that asked for order."""
    last: dict[str, int] = defaultdict(int)
    seen, wrong = set(), []
    for each in received.received:
        if each.headers["webhook-id"] in seen or not each.path.endswith("order_service"):
            continue
        seen.add(each.headers["webhook-id"])
        said = json.loads(each.body)
        order_id, sequence = said["subject"], said["sequence"]
        if sequence < last[order_id]:
            wrong.append(f"{order_id}: {sequence} came after {last[order_id]}")
        last[order_id] = sequence
    return wrong


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_network_does_each_event_arrives(campaign: Campaign, fault: str, result_log: ResultLog) -> None:
    """After its fault it is sent again under the same id, until its receiver says that it has it; never given up."""
    messages = campaign.faults.met_by(fault)
    assert len(messages) >= 3
    assert campaign.problems == []
    for message_id in messages:
        state, attempts = campaign.log[message_id]
        assert state == "delivered"
        assert attempts[-1] == (204, "")
        assert all(problem for _, problem in attempts[:-1])
        if fault in ARRIVES:
            assert campaign.arrived[message_id] == ARRIVES[fault]
        if fault not in MAY_BE_HARMLESS:
            assert len(attempts) == (1 if fault in HARMLESS else 2)
    result_log(
        "the network fails while a webhook is delivered",
        injected=f"by a proxy, at the first attempt: {fault}",
        times=len(messages),
        checks="each event arrives under one id, the log has each attempt, none is dead; I1-I11",
    )


def test_an_order_stays_in_order_where_that_is_asked_for(campaign: Campaign) -> None:
    """What is late holds up what comes after it, and nothing overtakes it."""
    assert campaign.out_of_order == []
