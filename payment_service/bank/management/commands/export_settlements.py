"""`manage.py export_settlements`: the simulated bank's own books, as a gateway's settlement file."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payment_service.bank import statements
from servicekit.invariants.commands import readable_database


class Command(BaseCommand):
    help = (
        "Write what the simulated bank has in its own books as a CSV file, as a real gateway would: "
        f"{', '.join(statements.HEADER)}. It is what `reconcile --against` compares the ledger with. Only reads."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="where to write it; one that is there is overwritten; -: print"
        )

    def handle(self, *_: Any, file: str, **__: Any) -> None:
        with readable_database():
            if file == "-":
                statements.write(sys.stdout)
                return
            try:
                with Path(file).open("w", encoding="utf-8", newline="") as opened:
                    count = statements.write(opened)
            except OSError as problem:
                raise CommandError(f"{file} cannot be written: {problem.strerror}.") from problem
        self.stdout.write(f"{count:,} transactions written to {file}.")
