"""`manage.py import_payments`: payments of another system, from a CSV file into the ledger."""

import sys
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from payment_service.payments.importing.batches import BatchImporter
from payment_service.payments.importing.csv_reader import UnusableFile, open_table
from payment_service.payments.importing.duplicates import open_duplicates
from payment_service.payments.importing.parse_row import COLUMNS, CURRENCY, DATES, Parser, WrongHeader
from payment_service.payments.importing.progress import FirstProblems, progress, result
from payment_service.payments.importing.report import Report
from payment_service.payments.importing.run import BATCH, Run, Summary
from payment_service.payments.importing.write_batch import BatchWriter
from payment_service.payments.management.explained import ExplainedCommand
from payment_service.payments.models import Payment

# What a shell reports for a program that Ctrl-C has ended.
INTERRUPTED: Final = 130

HELP: Final = f"""\
Imports payments of another system from a CSV file, one row for each attempt.

The file is UTF-8, with or without a byte order mark, with commas or semicolons between the cells. Its first line names
the columns, in any order; others than these are ignored, and so are rows with nothing in them:

  payment_id  whole number, kept where it is free in the ledger; empty, or taken: the next free one
  order_id    whole number or UUID; an order has one payment, and its rows are the attempts at it
  amount      561.00: a point, at most two decimals and twelve digits, nothing between thousands; above zero unless the
              payment failed; 561,00 where semicolons separate the cells
  method      one of those that this service knows, in capitals or not:
              {", ".join(settings.PAYMENT_GATEWAYS)}
  status      SUCCESS, true, yes or 1: the money was taken; FAILED, false, no or 0: it was not
  reference   up to 100 characters, unique; by it the ledger knows which payments it has already
  created_at  2025-11-10T12:05:00Z, 2025-11-10 12:05:00+01:00 or 2025-11-10 12:05:00 (UTC); see --dates for 10/11/2025
  refunded    true, yes or 1: all of it was given back; false, no, 0 or empty: it was not
  currency    may be left out: {settings.DEFAULT_CURRENCY} or empty, a row in another one fails

NULL and \\N are empty. Where a number or a date could mean two things, the row fails.

An order is paid by the first row that took money, whatever failed before or after it, in this file, an earlier one or
in the ledger. A second row that took money for the same order fails: somebody must give one of the two back. So does
one for an order that is being charged here, or was voided here.

All amounts are in {settings.DEFAULT_CURRENCY}. What happens to an imported payment from then on, a refund for example,
is booked here and asks no gateway.

Running it again is safe, also after it was killed: a row whose reference is in the ledger is left alone. One that was
refunded since is booked as refunded, unless money of it was moved here. Any other difference, in order, amount, method,
status, date or currency, is reported as failed; a failed attempt that took the money since pays the order. What has
become of a payment here stays. Rows are written in batches of {BATCH:,}, each all or none.
"""
EPILOG: Final = """\
Exit status: 0 when every row is in the ledger now, 1 when any row failed or the file cannot be used, 2 for a wrong
option, 130 for Ctrl-C.

examples:
  python payment_service/manage.py import_payments payment_service/sample_payments.csv
  python payment_service/manage.py import_payments export.csv --dry-run --report problems.csv
"""


class Command(ExplainedCommand):
    help = HELP
    epilog = EPILOG

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the CSV file")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen, write nothing")
        parser.add_argument(
            "--on-error",
            choices=["skip", "stop"],
            default="skip",
            help="a row that fails is left out (skip, the default), or is the last one looked at (stop); the rows "
            "before it are imported either way",
        )
        parser.add_argument(
            "--report",
            metavar="FILE",
            help="write every problem into this CSV file (line, outcome, column, value, message); one that is there "
            "is overwritten; cells that a spreadsheet would take for formulas get an apostrophe in front",
        )
        parser.add_argument(
            "--dates",
            choices=list(DATES),
            default="iso",
            help="; ".join(f"{name}: read {meaning}" for name, meaning in DATES.items())
            + "; dates with the year first are always read; a time may be missing with dmy and mdy",
        )
        parser.add_argument("--if-empty", action="store_true", help="say and do nothing when the ledger has a payment")

    def handle(
        self,
        *_: Any,
        file: str,
        dry_run: bool,
        on_error: str,
        report: str | None,
        dates: str,
        if_empty: bool,
        **__: Any,
    ) -> None:
        try:
            if if_empty and Payment.objects.exists():
                return
            summary = self._import(file, dry_run=dry_run, stop=on_error == "stop", report=report, dates=dates)
        except (UnusableFile, WrongHeader) as problem:
            raise CommandError(str(problem)) from problem
        except DatabaseError as problem:
            raise CommandError(f"The database refused: {problem}. Is it migrated? Then run this again.") from problem
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Run this again to import the rest.", returncode=INTERRUPTED) from None
        if summary.failed:
            sys.exit(1)

    def _import(self, file: str, *, dry_run: bool, stop: bool, report: str | None, dates: str) -> Summary:
        first = FirstProblems()
        with ExitStack() as opened:
            table = opened.enter_context(open_table(_path(file), columns=(*COLUMNS, CURRENCY)))
            parser = Parser(
                table.header,
                delimiter=table.delimiter,
                methods=settings.PAYMENT_GATEWAYS,
                currency=settings.DEFAULT_CURRENCY,
                dates=dates,
            )
            on_problem = [first.add]
            if report is not None:
                on_problem.append(
                    Report(opened.enter_context(_create(report, source=file)), delimiter=table.delimiter).write
                )
            writer = BatchWriter(started=timezone.now(), currency=settings.DEFAULT_CURRENCY)
            importer = BatchImporter(writer, opened.enter_context(open_duplicates()), dry_run=dry_run, stop=stop)
            run = Run(parser, importer, stop=stop, on_problem=on_problem)
            began = time.monotonic()
            try:
                with progress(table) as show:
                    for summary in run.import_records(table.records()):
                        show(summary)
            finally:  # what is committed stays, however the rest ends
                self.stderr.write(first.text(report=report), ending="")
                self.stdout.write(result(run.summary, seconds=time.monotonic() - began, dry_run=dry_run))
        return run.summary


def _path(file: str) -> Path:
    if file == "-":
        raise UnusableFile("Standard input cannot be read a second time, after an interruption; name a file.")
    return Path(file)


def _create(report: str, *, source: str) -> IO[str]:
    path = Path(report)
    try:
        if path.exists() and path.samefile(source):
            raise UnusableFile("The report would overwrite the file that is imported; name another one.")
        return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as problem:
        raise UnusableFile(f"The report {report} cannot be written: {problem.strerror}.") from problem
