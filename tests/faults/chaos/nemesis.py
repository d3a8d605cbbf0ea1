"""Does to the processes what the plan says, and undoes all of it in the end."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count

from tests.faults.chaos.plan import Fault
from tests.faults.faulty_proxy import FAULTS, PASSES, FaultyProxy
from tests.stack import Process, Service

# A process that stands still holds up its stop; and a start may take this long on a busy machine.
ENDS_WITHIN_S = 90.0


class Nemesis:
    """Everything that breaks.

    Args:
        processes: By their names in the plan.
        links: Likewise.
    """

    def __init__(self, processes: Mapping[str, Process], links: Mapping[str, FaultyProxy]) -> None:
        self._processes = processes
        self._links = links
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._locks = {name: threading.Lock() for name in (*processes, *links)}
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []

    def play(self, faults: Sequence[Fault], *, began: float) -> None:
        """Do each at its time; returns at once."""
        self._threads = [threading.Thread(target=self._suffer, args=[fault, began]) for fault in faults]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop breaking, and have everything there again."""
        self._over.set()
        for thread in self._threads:
            thread.join(ENDS_WITHIN_S)
        for process in self._processes.values():
            process.signal(signal.SIGCONT)
            self._revive(process)

    def _suffer(self, fault: Fault, began: float) -> None:
        if self._over.wait(max(0.0, began + fault.at_s - time.monotonic())):
            return
        lock = self._locks[fault.target]
        if not lock.acquire(blocking=False):  # it has not come back from the last one yet
            return
        try:
            self.done[f"{fault.kind} ({fault.target.rstrip(' 12')})"] += 1
            if fault.target in self._links:
                self._disturb(fault, self._links[fault.target])
            else:
                self._break(fault, self._processes[fault.target])
        finally:
            lock.release()

    def _disturb(self, fault: Fault, link: FaultyProxy) -> None:
        """Every second request suffers it, so that some of the repeats come through."""
        turns = count()
        link.rule = lambda _: FAULTS[fault.kind] if next(turns) % 2 == 0 else PASSES
        self._over.wait(fault.for_s)
        link.rule = lambda _: PASSES

    def _break(self, fault: Fault, process: Process) -> None:
        if fault.kind == "freeze":
            process.signal(signal.SIGSTOP)
            self._over.wait(fault.for_s)
            process.signal(signal.SIGCONT)
            return
        if fault.kind == "kill":
            process.kill()
        else:
            self._stop(fault.target, process)
        self._over.wait(fault.for_s)
        self._revive(process)

    def _stop(self, name: str, process: Process) -> None:
        try:
            process.stop()
        except subprocess.TimeoutExpired:
            self.problems.append(f"{name} did not end when it was asked to")

    def _revive(self, process: Process) -> None:
        if not process.is_running:
            process.start()
        if isinstance(process, Service):
            process.wait_until_up()
