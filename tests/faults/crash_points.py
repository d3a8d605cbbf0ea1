"""Where a process can die and leave something behind, found while it runs, and the kill there.

Runs inside a service or worker that `tests.faults.fork_server` has started; `instrumentation` says what a point is. The
code itself knows nothing of it.

The same for SIGSTOP, for which the points are a little different: never inside a transaction, whose locks would be held
for as long as the process stands still, but before it ("begin").

A point is what comes next ("commit", "call", ...), the chain of our own functions that leads there, and who wrote what
is to be committed. A process that is armed dies at the first point at which none like it has died before, and writes
that point down. Started again and given the same work, it dies at the next one; when it survives, every point on its
way has had its kill.

Before each step is enough: what lies between two steps lasts no longer than the process, so dying after one is dying
before the next. Only a call has a third moment: it was sent, and nobody reads the answer ("sent").
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

KINDS: Final = ("commit", "call", "sent", "gateway", "answer", "job", "publish", "deliver")
# What is no point for one of the two: before a transaction nothing is lost, and inside it nobody may stand still.
NOT_FOR: Final = {"kill": "begin", "stop": "commit"}
TAKES_EFFECT_S: Final = 0.2
SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
# Whose functions a point is told by.
OURS: Final = ("order_service.", "payment_service.", "product_stub.", "servicekit.")


def _send_to_own_group(number: signal.Signals) -> None:
    """The server's parent process gets it, too: it would tidy up."""
    os.killpg(0, number)


class CrashPoints:
    """The points of this process. Nothing happens at them before it knows which process it is.

    `send` sends a signal to it and to all in its group.
    """

    def __init__(self, send: Callable[[signal.Signals], object] = _send_to_own_group) -> None:
        self._send = send
        self._armed: Path | None = None
        self._request = threading.local()
        # Held through each transaction. Whoever is to stand still has it, so that no other thread is inside one.
        self.transaction = threading.RLock()
        # Who dies has it, so that no other thread claims a point and is killed before that is written down.
        self._dying = threading.RLock()

    def become(self, process: str, folder: Path) -> None:
        """Args:
        folder: Where the file `<process>.armed` arms it: "kill" or "stop", and the scenario, which is part of a point
            where it is not empty. And where `<process>.kill` or `.stop` keeps a line of JSON for each.
        """
        self._armed = folder / f"{process}.armed"
        self._process, self._folder = process, folder
        # A repeat in one request, such as the second payment attempt, is another point than the first. A worker does
        # the same for one order after another, which is not.
        self._counts_repeats = not process.endswith("worker")

    def begin_request(self) -> None:
        self._request.repeats = Counter()

    def reach(self, kind: str, *about: str, wrote: Iterable[str] = ()) -> None:
        """Die here, or stand still, if this is a point at which no process has yet.

        Args:
            about: What tells more of the point than the functions do.
            wrote: The functions that wrote what is about to last.
        """
        do, scenario = self._asked()
        if not do or kind == NOT_FOR[do]:
            return
        chain = [*chain_of_ours(), *about]
        point: dict[str, Any] = {"scenario": scenario, "kind": kind, "chain": chain, "wrote": sorted(wrote)}
        point["repeat"] = self._repeat(_identity(point))
        claim = self._claim(do, point)
        if claim.exists():
            return
        with self.transaction if do == "stop" else self._dying:
            # Another thread may have stood still meanwhile, or died, and this one have waited for it: then the point is
            # the next process's, so it is claimed no sooner.
            if self._asked()[0] == do and _is_first(claim):
                self._do(do, point)

    def _asked(self) -> tuple[str, str]:
        """What this process is to do at its points, and in which scenario."""
        try:
            do, _, scenario = self._armed.read_text().partition(" ") if self._armed else ("", "", "")
        except FileNotFoundError:
            return "", ""
        return do, scenario

    def _do(self, do: str, point: dict[str, Any]) -> None:
        point["group"] = os.getpgrp()
        with (self._folder / f"{self._process}.{do}").open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")
        self._send(SIGNALS[do])
        # The signal may find another thread first, and this one would go on for a moment.
        time.sleep(TAKES_EFFECT_S)

    def _claim(self, do: str, point: dict[str, Any]) -> Path:
        """The file that is there once a process has died or stood still at this point."""
        digest = hashlib.sha256(repr(_identity(point)).encode()).hexdigest()
        return self._folder / f"{self._process}.{do}.{digest}"

    def _repeat(self, place: tuple[Any, ...]) -> int:
        repeats: Counter[Any] | None = getattr(self._request, "repeats", None)
        if repeats is None or not self._counts_repeats:
            return 1
        repeats[place] += 1
        return repeats[place]


def _is_first(claim: Path) -> bool:
    """Whether no process has claimed this point before; several may come to it at once."""
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _identity(point: dict[str, Any]) -> tuple[Any, ...]:
    return point["scenario"], point["kind"], point.get("repeat"), *point["chain"], *point["wrote"]


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
