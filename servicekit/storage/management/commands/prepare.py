"""`manage.py prepare`: what `make run` does with each database before it starts anything."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from servicekit.storage import moving


class Command(BaseCommand):
    help = "Migrates, unless that would begin new books and leave those behind that are in the file beside manage.py."

    def handle(self, *_: Any, **__: Any) -> None:
        if reason := moving.left_behind():
            raise CommandError(reason)
        call_command("migrate", verbosity=0)
