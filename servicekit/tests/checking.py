"""Running `check_invariants` in a test, and breaking what the database itself would not let be broken."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from servicekit.tests.sessions import fetch

# What reading is made of: besides SELECT how a snapshot is asked for, and how PostgreSQL hands out rows bit by bit.
_READING: Final = frozenset({"SELECT", "SET", "DECLARE"})


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

    @property
    def only_read(self) -> bool:
        """Whether no statement was sent that could have written anything."""
        words = {sql.split()[0] for sql in self.statements}
        return "SELECT" in words and words <= _READING


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
    """CHECK constraints are off: what follows could only happen to a database that has lost them.

    PostgreSQL cannot turn them off, so they are dropped, until the test's transaction is rolled back.
    """
    if connection.vendor == "postgresql":
        _drop_checks()
        yield
    else:
        fetch({"sqlite": "PRAGMA ignore_check_constraints = ON", "mysql": "SET check_constraint_checks = OFF"})
        yield
        fetch({"sqlite": "PRAGMA ignore_check_constraints = OFF", "mysql": "SET check_constraint_checks = ON"})


def _drop_checks() -> None:
    found = "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint"
    of_ours = "WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    # A table with a foreign key that is still to be looked at cannot be altered.
    fetch({"postgresql": "SET CONSTRAINTS ALL IMMEDIATE"})
    for table, constraint in fetch({"postgresql": f"{found} {of_ours}"}):
        fetch({"postgresql": f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"})
    fetch({"postgresql": "SET CONSTRAINTS ALL DEFERRED"})
