"""`manage.py copy_database FILE`: moves a service from SQLite to the database that `DB_*` names."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from servicekit.storage import copy


class Command(BaseCommand):
    help = (
        "Migrates the database that DB_* names, which must be new, and copies every row of an SQLite file of this "
        "service into it, all or nothing. Stop the service and its worker first; the file stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *_: Any, file: Path, **__: Any) -> None:
        try:
            copied = copy.copy_from(file)
        except copy.CannotMove as problem:
            raise CommandError(str(problem)) from problem
        for table, rows in sorted(copied.items()):
            if rows:
                self.stdout.write(f"{rows:>12,}  {table}")
        self.stdout.write(f"{sum(copied.values()):>12,}  rows in all. {file} can go when all is well.")
