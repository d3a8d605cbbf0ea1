"""`manage.py parked`: the messages that could not be taken."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from servicekit.inbox import parking
from servicekit.inbox.models import Parked


class Command(BaseCommand):
    help = (
        "Lists the messages from Kafka that could not be taken, or has them taken again: the consumer does that "
        "within a moment, or as soon as it runs. What is refused again stays here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--show", type=int, metavar="NUMBER", help="print one with its headers and its value")
        what.add_argument("--replay", type=int, nargs="+", metavar="NUMBER", help="have these taken again")
        what.add_argument("--replay-all", action="store_true", help="have all of them taken again")
        parser.add_argument("--consumer", default="", help="only what this consumer could not take")

    def handle(
        self, *_: Any, show: int | None, replay: list[int] | None, replay_all: bool, consumer: str, **__: Any
    ) -> None:
        if show is not None:
            self._show(show)
            return
        rows = parking.parked(consumer=consumer, numbers=replay)
        if replay is not None or replay_all:
            self.stdout.write(f"To be taken again: {parking.request_replay(rows)}")
        else:
            self._list(rows)

    def _list(self, rows: list[Parked]) -> None:
        for row in rows:
            again = " (to be taken again)" if row.replay_at else ""
            self.stdout.write(f"{row.number} {row.parked_at:%Y-%m-%dT%H:%M:%SZ} {row.consumer} {row}{again}")
            self.stdout.write(f"    {row.detail}")

    def _show(self, number: int) -> None:
        found = parking.parked(numbers=[number])
        if not found:
            raise CommandError(f"Nothing is parked under {number}")
        row = found[0]
        message = parking.message_of(row)
        self.stdout.write(f"{row}\n{row.detail}\nkey: {message.key!r}")
        for name, value in message.headers:
            self.stdout.write(f"{name}: {value!r}")
        self.stdout.write(f"\n{(message.value or b'').decode('utf-8', 'backslashreplace')}")
