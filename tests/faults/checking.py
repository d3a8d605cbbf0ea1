"""The checker across the three services, quick enough to run after every fault.

The same commands and the same rules as `make audit`, with `--quiet-for 0`: when the faults are over, nothing may be
left to do. Each service's commands run in a process that stays (`tests.faults.command_server`).
"""

import json
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

from audit import rules
from audit.exports import ORDERS, PAYMENTS, PRODUCTS, Exports
from audit.rules import Scope
from tests.rpc import RpcClient
from tests.stack import Service, Stack

# What is only unfinished is no violation yet: it is waited for. Everything else must hold at every moment.
UNFINISHED: Final = "I6"
ACROSS: Final = "across"
LOOK_EVERY_S: Final = 0.05
# What is on its way between two services arrives sooner.
STAYS_S: Final = 5.0


class Violation(NamedTuple):
    """One finding of a checker: the invariant's number and name, the row, what is wrong with it.

    `where` is the service that found it in its own books, or "across" for those that do not fit each other's.
    """

    number: str
    name: str
    where: str
    subject: str
    message: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same finding as one of an earlier look."""
        return self.where, self.name, self.subject


class CommandServer:
    """A service's management commands, ready to run."""

    def __init__(self, service: Service) -> None:
        self._rpc = RpcClient("tests.faults.command_server", service.name, environment=service.environment)
        self.close = self._rpc.close

    def run(self, *arguments: str, given: str = "") -> tuple[int, str]:
        """Run a command; its exit status and its output. Status 2 means that nothing was proven, which is no answer."""
        answer = self._rpc.call({"arguments": arguments, "given": given})
        return answer["status"], answer["out"] or answer["err"]


class Checker:
    """All invariants of a stack, in each service and across them."""

    def __init__(self, stack: Stack) -> None:
        self._command_servers = {name: CommandServer(stack.services[name]) for name in (ORDERS, PAYMENTS, PRODUCTS)}

    def close(self) -> None:
        for command_server in self._command_servers.values():
            command_server.close()

    def violations(self, *, known: Collection[Violation] = ()) -> list[Violation]:
        """Everything that is violated at this moment; across the services only when nothing is under way in them.

        Args:
            known: Findings of earlier, that are left out whatever their message is now.
        """
        old = {each.key for each in known}
        found = [each for name in self._command_servers for each in self._in_service(name) if each.key not in old]
        if not any(each.number == UNFINISHED for each in found):
            found += [each for each in self._across() if each.key not in old]
        return found

    def settle(self, *, within_s: float, known: Collection[Violation] = ()) -> list[Violation]:
        """Wait until nothing is under way any more; everything that is violated then.

        Does not wait for what no time can mend: what is wrong within a service, and what has not fitted between them
        for a while in which nothing was under way.
        """
        deadline = time.monotonic() + within_s
        seen: list[Violation] = []
        since = time.monotonic()
        while True:
            found = self.violations(known=known)
            if found != seen or any(each.number == UNFINISHED for each in found):
                seen, since = found, time.monotonic()
            is_certain = any(each.where != ACROSS and each.number != UNFINISHED for each in found)
            if not found or is_certain or time.monotonic() > min(deadline, since + STAYS_S):
                return found
            time.sleep(LOOK_EVERY_S)

    def _in_service(self, name: str) -> Iterator[Violation]:
        status, output = self._command_servers[name].run("check_invariants", "--json", "--quiet-for=0")
        try:
            lines: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
        except ValueError:
            raise RuntimeError(f"{name} cannot be checked (status {status}): {output}") from None
        for line in lines:
            if line["kind"] == "violation":
                yield Violation(line["number"], line["name"], name, line["subject"], line["message"])

    def _across(self) -> Iterator[Violation]:
        """One look, because nothing moves; what was moving all the same is gone at the next one."""
        with Exports() as exports:
            for name, command_server in self._command_servers.items():
                status, output = command_server.run("export_books")
                if status:
                    raise RuntimeError(f"{name} cannot be read (status {status}): {output}")
                exports.add(name, output.splitlines())
            for order_id, seen in exports.side_by_side():
                for invariant, message in rules.judge(seen, Scope()):
                    yield Violation(invariant.number, invariant.name, ACROSS, f"order {order_id}", message)


@contextmanager
def checking(stack: Stack) -> Iterator[Checker]:
    """A checker that ends whatever happens."""
    with ExitStack() as closing:
        checker = Checker(stack)
        closing.callback(checker.close)
        yield checker
