"""`manage.py reconcile`: the ledger compared with a gateway's settlement file."""

import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime

from payment_service.payments.gateways import registry
from payment_service.payments.importing.csv_reader import UnusableFile, open_table
from payment_service.payments.management.explained import ExplainedCommand
from payment_service.payments.reconciling import report_writer
from payment_service.payments.reconciling.comparing import Comparison, Span
from payment_service.payments.reconciling.difference_kinds import KINDS, Difference
from payment_service.payments.reconciling.settlements import OPTIONAL, REQUIRED, STATUSES, Parser, WrongHeader
from payment_service.payments.reconciling.totals import Totals
from servicekit import progress
from servicekit.invariants.checker import Outcome
from servicekit.invariants.commands import readable_database

_KINDS: Final = "\n".join(f"  {kind:<15} {meaning.split('. ')[0].rstrip('.')}." for kind, meaning in KINDS.items())
HELP: Final = f"""\
Compares the ledger with a gateway's own record, one row for each transaction. Only reads.

The file is CSV in UTF-8, with commas or semicolons. Its first line names the columns, in any order; others than these
are ignored:

  transaction_id  the gateway's id of the transaction, by which the two sides are matched
  amount          561.00: what was taken; for money that is only set aside, or was released, that
  currency        ISO 4217, like USD
  status          one of {", ".join(STATUSES)}
  refunded        may be left out: what was given back of it so far
  order_id        may be left out: the order that the gateway has it for

Found are:

{_KINDS}

A failed transaction that the ledger has not kept is no difference. The simulated gateway writes such a file of its own
books with export_settlements. Make the file when nothing is under way, or leave out the latest with --to: a payment
that moved after the file was made differs from it.
"""
EPILOG: Final = """\
Exit status: 0 when both sides agree, 1 when they differ, 2 when nothing was compared: no such file, wrong columns, a
wrong option, or neither side has anything.

examples:
  python payment_service/manage.py export_settlements bank.csv
  python payment_service/manage.py reconcile --against bank.csv
  python payment_service/manage.py reconcile --against june.csv --from 2026-06-01 --to 2026-06-30 --report june-diff.csv
"""


class Command(ExplainedCommand):
    help = HELP
    epilog = EPILOG

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--against", metavar="FILE", required=True, help="the gateway's CSV file")
        parser.add_argument(
            "--gateway",
            choices=sorted(registry.names()),
            help="whose file it is; may be left out where payments go to one gateway only",
        )
        parser.add_argument(
            "--from",
            dest="start",
            metavar="TIME",
            help="a payment is missing only if its money moved from then on: a date, or a date and time, UTC",
        )
        parser.add_argument("--to", dest="end", metavar="TIME", help="... and until then; a date includes that day")
        parser.add_argument(
            "--report",
            metavar="FILE",
            help=f"write every difference into this CSV file ({', '.join(report_writer.HEADER)}); one that is there is "
            "overwritten; cells that a spreadsheet would take for formulas get an apostrophe in front",
        )

    def handle(
        self,
        *_: Any,
        against: str,
        gateway: str | None,
        start: str | None,
        end: str | None,
        report: str | None,
        **__: Any,
    ) -> None:
        span = Span(gateway or _only_gateway(), _moment(start, is_end=False), _moment(end, is_end=True))
        try:
            with readable_database():
                totals = self._compare(span, Path(against), report)
        except (UnusableFile, WrongHeader) as problem:
            raise CommandError(str(problem), returncode=Outcome.UNPROVEN) from problem
        self.stdout.write(report_writer.result(totals))
        if not totals.compared:
            sentence = f"Nothing was compared: neither the file nor the ledger has a transaction of {span.gateway}."
            raise CommandError(sentence, returncode=Outcome.UNPROVEN)
        if totals.differences:
            sys.exit(Outcome.VIOLATED)
        self.stdout.write("Both sides agree.")

    def _compare(self, span: Span, path: Path, report: str | None) -> Totals:
        with ExitStack() as opened:
            table = opened.enter_context(open_table(path, columns=(*REQUIRED, *OPTIONAL)))
            parser = Parser(table.header, delimiter=table.delimiter)
            writers = [self._write_sentence]
            if report is not None:
                writers.append(report_writer.Report(opened.enter_context(_create(report, source=path))).write)
            comparison = opened.enter_context(Comparison(span))
            records = progress.each(table.records(), "Comparing", "rows of the file")
            for difference in comparison.differences(map(parser.parse, records)):
                for write in writers:
                    write(difference)
                comparison.totals.differences[difference.kind] += 1
                if comparison.totals.differences.total() == report_writer.SHOWN and report is not None:
                    writers.remove(self._write_sentence)
                    self.stderr.write(f"... the rest is only in {report}.")
        return comparison.totals

    def _write_sentence(self, difference: Difference) -> None:
        self.stderr.write(report_writer.sentence(difference))


def _only_gateway() -> str:
    """The gateway with books of its own that the settings send payments to, if there is exactly one."""
    used = set(settings.PAYMENT_GATEWAYS.values())
    found = sorted(name for name in used if registry.gateway(name).has_outside_effect)
    if len(found) != 1:
        known = f"Payments go to {', '.join(found)}" if found else "No payment goes to a gateway with books of its own"
        raise CommandError(f"{known}; say whose file this is with --gateway.", returncode=Outcome.UNPROVEN)
    return found[0]


def _moment(text: str | None, *, is_end: bool) -> datetime | None:
    """A date or a moment in UTC; a date at the end of a span includes that day."""
    if text is None:
        return None
    try:
        day, moment = parse_date(text), parse_datetime(text)
    except ValueError:
        day = moment = None
    if day is not None and len(text) <= len("2026-06-30"):
        return datetime.combine(day + timedelta(days=is_end), time(), tzinfo=timezone.utc)
    if moment is None:
        sentence = f"{text!r} is neither a date like 2026-06-30 nor a time like 2026-06-30T12:00:00Z."
        raise CommandError(sentence, returncode=Outcome.UNPROVEN)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _create(report: str, *, source: Path) -> IO[str]:
    path = Path(report)
    try:
        if path.exists() and path.samefile(source):
            raise UnusableFile("The report would overwrite the file that is compared; name another one.")
        return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as problem:
        raise UnusableFile(f"The report {report} cannot be written: {problem.strerror}.") from problem
