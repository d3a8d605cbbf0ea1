"""The services' audit exports side by side: asked for through each service's own command, kept in a scratch file."""

import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from audit.rules import Order, Payment, Reservation, Seen
from servicekit import exactjson

ROOT: Final = Path(__file__).resolve().parent.parent
ORDERS: Final = "order_service"
PAYMENTS: Final = "payment_service"
PRODUCTS: Final = "product_stub"

Exported = TypeVar("Exported", Order, Payment, Reservation)

_SIDE_BY_SIDE: Final = """
    SELECT ids.id, orders.line, payments.line, reservations.line
    FROM (SELECT DISTINCT id FROM exported) AS ids
    LEFT JOIN exported AS orders ON orders.service = 'order_service' AND orders.id = ids.id
    LEFT JOIN exported AS payments ON payments.service = 'payment_service' AND payments.id = ids.id
    LEFT JOIN exported AS reservations ON reservations.service = 'product_stub' AND reservations.id = ids.id
"""


class Unreadable(Exception):
    """A service's export could not be had; its own message went to standard error."""


class Commands:
    """How the services' `manage.py` are run.

    Args:
        template: A command line in which `{service}` is the service's folder and `{host}` its name in a network;
            empty: this Python, in this checkout.
    """

    def __init__(self, template: str = "") -> None:
        self._template = template

    def check(self, service: str, arguments: Sequence[str]) -> int:
        """Run the service's own check, which says itself what it finds; return its exit status."""
        return subprocess.run(
            [*self._manage(service), "check_invariants", *arguments], cwd=ROOT, check=False
        ).returncode

    def export(self, service: str, only: Iterable[str] | None = None) -> Iterator[str]:
        """The lines of the service's export, or those of some ids.

        Raises:
            Unreadable.
        """
        command = [*self._manage(service), "export_books"]
        with tempfile.TemporaryFile("w+") as ids:
            if only is not None:
                command.append("--only")
                ids.writelines(f"{each}\n" for each in only)
                ids.seek(0)
            with subprocess.Popen(command, cwd=ROOT, stdin=ids, stdout=subprocess.PIPE, text=True) as running:
                yield from running.stdout or ()
            if running.returncode != 0:
                raise Unreadable(service)

    def _manage(self, service: str) -> list[str]:
        if not self._template:
            return [sys.executable, str(ROOT / service / "manage.py")]
        return shlex.split(self._template.format(service=service, host=service.replace("_", "-")))


class Exports:
    """The exports of one moment. In a scratch file, which SQLite deletes, not in memory."""

    def __init__(self) -> None:
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.execute("CREATE TABLE exported (id TEXT, service TEXT, line TEXT, PRIMARY KEY (id, service))")

    def __enter__(self) -> "Exports":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def add(self, service: str, lines: Iterable[str]) -> None:
        rows = ((exactjson.decode(line)["id"], service, line) for line in lines if line.startswith('{"id"'))
        self._scratch.executemany("INSERT OR REPLACE INTO exported VALUES (?, ?, ?)", rows)

    def count(self, service: str) -> int:
        (count,) = self._scratch.execute("SELECT count(*) FROM exported WHERE service = ?", [service]).fetchone()
        return int(count)

    def side_by_side(self) -> Iterator[tuple[str, Seen]]:
        """What all exports say of each id that any of them has."""
        for order_id, order, payment, reservation in self._scratch.execute(_SIDE_BY_SIDE):
            yield order_id, Seen(_read(Order, order), _read(Payment, payment), _read(Reservation, reservation))


def _read(kind: type[Exported], line: str | None) -> Exported | None:
    if line is None:
        return None
    facts: dict[str, Any] = exactjson.decode(line)
    return kind(**facts)
