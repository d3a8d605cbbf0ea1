"""`manage.py user NAME`: a line for CONSOLE_USERS, of a password that is asked for."""

import getpass
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.pages import users


class Command(BaseCommand):
    help = "Asks for a password and prints the user's line for CONSOLE_USERS, or for the file CONSOLE_USERS_FILE."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--from-file", type=Path, metavar="FILE", help="take the password in this file instead of asking for one"
        )

    def handle(self, *_: Any, name: str, from_file: Path | None = None, **__: Any) -> None:
        password = _read(from_file) if from_file else _ask()
        if not password:
            raise CommandError("A password is needed.")
        try:
            self.stdout.write(users.line_for(name, password))
        except ValueError as problem:
            raise CommandError(str(problem)) from problem


def _ask() -> str:
    return getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise CommandError(f"{path} cannot be read: {problem.strerror}") from problem
