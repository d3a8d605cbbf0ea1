"""Running `check_invariants` in a test, and breaking what the database itself would not let be broken."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Checked:
    """What a check said. `violations`: each as (invariant, subject, message); `verdicts`: by the invariant's name."""

    status: int
    violations: list[tuple[str, str, str]]
    verdicts: dict[str, str]
    looked_at: dict[str, int]
    statements: list[str]

    @property
    def broken(self) -> set[tuple[str, str]]:
        """Which invariant is violated by which row."""
        return {(name, subject) for name, subject, _ in self.violations}


def check(*, quiet_for: float = 180) -> Checked:
    """Run the command in this process, as a program would read it."""
    output, status = StringIO(), 0
    with CaptureQueriesContext(connection) as queries:
        try:
            call_command("check_invariants", "--json", "--quiet-for", str(quiet_for), stdout=output)
        except SystemExit as end:
            status = int(end.code or 0)
    lines: list[dict[str, Any]] = [json.loads(line) for line in output.getvalue().splitlines()]
    return Checked(
        status,
        [(line["name"], line["subject"], line["message"]) for line in lines if line["kind"] == "violation"],
        {line["name"]: line["verdict"] for line in lines if line["kind"] == "invariant"},
        lines[-1]["looked_at"],
        [query["sql"] for query in queries.captured_queries],
    )


@contextmanager
def unchecked() -> Iterator[None]:
    """SQLite's CHECK constraints are off: what follows could only happen to a database that has lost them."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        yield
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
