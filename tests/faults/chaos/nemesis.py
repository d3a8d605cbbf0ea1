"""Does to the processes what the plan says, and undoes all of it in the end."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.faults.chaos.plan import Fault
from tests.stack import Process, Service, Stack

# A process that stands still holds up its stop; and a start may take this long on a busy machine.
ENDS_WITHIN_S = 90.0


class Nemesis:
    """Everything that breaks.

    Args:
        processes: By their names in the plan.
    """

    def __init__(self, stack: Stack, processes: Mapping[str, Process]) -> None:
        self._stack = stack
        self._processes = processes
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._locks = {name: threading.Lock() for name in processes}
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
        process, lock = self._processes[fault.target], self._locks[fault.target]
        if not lock.acquire(blocking=False):  # it has not come back from the last one yet
            return
        try:
            self._break(fault, process)
        finally:
            lock.release()

    def _break(self, fault: Fault, process: Process) -> None:
        self.done[f"{fault.kind} {fault.target.partition(' ')[0]}{' worker' * ('worker' in fault.target)}"] += 1
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
