"""`manage.py prepare`: what `make run` does with each database before it starts anything."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from servicekit.storage import copy


class Command(BaseCommand):
    help = "Migrates, unless that would begin a new database and leave the data behind that is in the file of before."

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = settings.HERE / "db.sqlite3"
        parser.add_argument("--file", type=Path, default=usual, help="where the data was until now (%(default)s)")

    def handle(self, *_: Any, file: Path, **__: Any) -> None:
        if reason := copy.left_behind(file):
            raise CommandError(reason)
        call_command("migrate", verbosity=0)
