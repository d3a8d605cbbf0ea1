"""Orders under which something else is done: they are placed until that is over."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests

from tests.client import Http

CLIENTS: Final = 4
PAID: Final = (201, "PAID")


class Load:
    """Clients who place one order after another, each on a connection of its own.

    Attributes:
        answers: Status of the answer and of the order, each.
        unanswered: How many connections were broken off.
    """

    def __init__(self, url: str, order: Mapping[str, Any]) -> None:
        self._url = url
        self._wanted = order
        self._enough = threading.Event()
        self.answers: list[tuple[int, str]] = []
        self.unanswered = 0
        self._clients = [threading.Thread(target=self._shop) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for client in self._clients:
            client.join()

    def _shop(self) -> None:
        while not self._enough.is_set():
            self._order()

    def _order(self) -> None:
        try:
            answer = Http(self._url).post("/api/orders/", self._wanted)
        except requests.ConnectionError:
            self.unanswered += 1
        else:
            self.answers.append((answer.status, answer.json.get("status", "")))

    def goes_on(self, some: int) -> Callable[[], bool]:
        """A condition: so many more orders were paid since now."""
        before = self.answers.count(PAID)
        return lambda: self.answers.count(PAID) >= before + some
