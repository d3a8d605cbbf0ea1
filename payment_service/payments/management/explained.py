"""A command whose help is written in paragraphs, with examples at its end."""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, DjangoHelpFormatter


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Leaves the paragraphs as they are."""


class ExplainedCommand(BaseCommand):
    """`epilog` stands below the options in the help."""

    epilog = ""
    # They look at the API's routes and the like, which is slower than a small file.
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=_Formatter, epilog=self.epilog, **options)
