"""`manage.py user NAME`: a line for CONSOLE_USERS, of a password that is asked for."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.pages import users


class Command(BaseCommand):
    help = "Asks for a password and prints the user's line for CONSOLE_USERS, or for the file CONSOLE_USERS_FILE."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def handle(self, *_: Any, name: str, **__: Any) -> None:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        if not password:
            raise CommandError("A password is needed.")
        try:
            self.stdout.write(users.line_for(name, password))
        except ValueError as problem:
            raise CommandError(str(problem)) from problem
