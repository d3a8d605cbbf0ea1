"""Any two operations at once on one order: each is answered as documented, and all books agree in the end."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

import nightly
from tests.client import Http
from tests.faults import races
from tests.faults.checking import Checker, checking
from tests.faults.races import Arena, Asked, Round
from tests.stack import Stack, free_ports, wait_until

MakeStack = Callable[..., Stack]
# By night every starting state of each pair, through every door.
ROUNDS: Final = 27 if nightly.IS_NIGHT else 1
QUIET_WITHIN_S: Final = 300.0


@pytest.fixture(scope="module")
def arena(make_module_stack: MakeStack) -> Arena:
    """One stack for all pairs, its workers standing still."""
    stack = make_module_stack(settings=races.SETTINGS)
    (port,) = free_ports(1)
    impatient = races.second_order_service(stack, port)
    impatient.start()
    workers = {name: (stack.start_worker(name), stack.start_worker(name)) for name in (races.ORDERS, races.PAYMENTS)}
    url = f"http://127.0.0.1:{port}"
    stack.know(races.ORDERS, url)
    stack.workers.append(impatient)
    wait_until(Http(url).is_healthy, what="the second order service is up")
    return Arena(stack, impatient, url, workers)


@pytest.fixture(scope="module")
def checker(arena: Arena) -> Iterator[Checker]:
    with checking(arena.stack) as running:
        yield running


@pytest.fixture(scope="module")
def documents(arena: Arena) -> dict[str, Any]:
    """What each service says that it answers."""
    services = arena.stack.services
    return {name: Http(service.url).get("/openapi.json").json["paths"] for name, service in services.items()}


@pytest.mark.parametrize("pair", races.PAIRS, ids="-".join)
def test_two_operations_at_once(
    pair: tuple[str, str], arena: Arena, checker: Checker, documents: dict[str, Any], result_log: Callable[..., None]
) -> None:
    """Whoever of the two wins, the answers are documented and stay, the order ends, and no invariant is violated."""
    for number in range(ROUNDS):
        assert checker.settle(within_s=QUIET_WITHIN_S) == []
        arena.hold_workers()
        round_ = races.run(arena, pair, number)
        told = [(asked.path, asked.reply and (asked.reply.status, asked.reply.text)) for asked in round_.asked]
        assert [asked.path for asked in round_.asked if not is_documented(asked, documents)] == [], told
        assert checker.settle(within_s=QUIET_WITHIN_S) == [], (races.state_of(pair, number), told)
        assert changed_answers(round_) == [], told
        assert ended(round_) in {"PAID", "CANCELLED", "REFUNDED"}, told
    began = dict.fromkeys(races.state_of(pair, number).__name__.replace("_", " ") for number in range(ROUNDS))
    result_log(
        f"{' and '.join(pair)} at once on one order",
        injected=f"released by a barrier, over HTTP or in worker processes; the order was {', '.join(began)}",
        times=ROUNDS,
        checks="documented answers, replays, all invariants across the services",
        numbers=18,
    )


def is_documented(asked: Asked, documents: dict[str, Any]) -> bool:
    """Whether the answer is one that the service's OpenAPI document has, and no failure: nothing is broken here."""
    paths = documents[races.ORDERS if asked.service == "impatient" else asked.service]
    for path, methods in paths.items():
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", path.rstrip("/")) + "/?"
        if re.fullmatch(pattern, asked.path) and asked.reply is not None:
            return asked.reply.status < 500 and str(asked.reply.status) in methods["post"]["responses"]
    return False


def changed_answers(round_: Round) -> list[str]:
    """The requests that were carried out, sent again: those that are answered differently now."""
    found = []
    for asked in round_.asked:
        service = races.ORDERS if asked.service == "impatient" else asked.service
        if asked.reply is not None and asked.reply.status < 300:
            again = Http(round_.arena.stack.services[service].url).post(asked.path, asked.body, key=asked.key)
            if (again.status, again.text, again.headers.get("Idempotent-Replayed")) != (
                asked.reply.status,
                asked.reply.text,
                "true",
            ):
                found.append(f"{asked.path}: {asked.reply.text}, then {again.status} {again.text}")
    return found


def ended(round_: Round) -> str:
    order = round_.arena.stack.orders.get(f"/api/orders/{round_.order_id}/").json
    status: str = order["status"]
    return status
