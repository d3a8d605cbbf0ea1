"""Where a process can die and leave something behind, found while it runs, and the kill there.

Runs inside a service or worker that `tests.faults.nursery` has started; `watching` says what a point is. The code
itself knows nothing of it.

A point is what comes next ("commit", "call", ...), the chain of our own functions that leads there, and who wrote what
is to be committed. A process that is armed dies at the first point at which none like it has died before, and writes
that point down. Started again and given the same work, it dies at the next one; when it survives, every point on its
way has had its kill.

Before each step is enough: what lies between two steps lasts no longer than the process, so dying after one is dying
before the next. Only a call has a third moment: it was sent, and nobody reads the answer ("sent").
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

KINDS: Final = ("commit", "call", "sent", "gateway", "answer", "job", "publish")
# Whose functions a point is told by.
OURS: Final = ("order_service.", "payment_service.", "product_stub.", "servicekit.")


class Points:
    """The points of this process. Nothing happens at them before it knows which process it is."""

    def __init__(self) -> None:
        self._armed: Path | None = None
        self._lock = threading.Lock()
        self._request = threading.local()

    def become(self, process: str, folder: Path) -> None:
        """Args:
        folder: Where the file `<process>.armed` arms it (its text is the scenario, which is part of a point where it
            is not empty), and where `<process>.killed` keeps a line of JSON for each kill.
        """
        self._armed = folder / f"{process}.armed"
        self._file = folder / f"{process}.killed"
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._done = {_identity(json.loads(line)) for line in lines}
        # A repeat in one request, such as the second payment attempt, is another point than the first. A worker does
        # the same for one order after another, which is not.
        self._counts_repeats = not process.endswith("worker")

    def begin_request(self) -> None:
        self._request.repeats = Counter()

    def pass_(self, kind: str, *about: str, wrote: Iterable[str] = ()) -> None:
        """Die here, if this is a point at which no process has died yet.

        Args:
            about: What tells more of the point than the functions do.
            wrote: The functions that wrote what is about to last.
        """
        try:
            scenario = self._armed.read_text() if self._armed else None
        except FileNotFoundError:
            return
        if scenario is None:
            return
        chain = [*chain_of_ours(), *about]
        point = {"scenario": scenario, "kind": kind, "chain": chain, "wrote": sorted(wrote)}
        point["repeat"] = self._repeat(_identity(point))
        with self._lock:
            if _identity(point) not in self._done:
                _append(self._file, point)
                # The server's parent process, too: it would tidy up.
                os.killpg(0, signal.SIGKILL)

    def _repeat(self, place: tuple[Any, ...]) -> int:
        repeats: Counter[Any] | None = getattr(self._request, "repeats", None)
        if repeats is None or not self._counts_repeats:
            return 1
        repeats[place] += 1
        return repeats[place]


def _identity(point: dict[str, Any]) -> tuple[Any, ...]:
    return point["scenario"], point["kind"], point.get("repeat"), *point["chain"], *point["wrote"]


def _append(path: Path, point: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(point) + "\n")


def chain_of_ours() -> Iterator[str]:
    """Our own functions that are running, the outermost first."""
    found: list[str] = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(OURS):
            found.append(f"{module}:{frame.f_code.co_name}")
        frame = frame.f_back
    return reversed(found)
