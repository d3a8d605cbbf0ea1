"""`manage.py dead_letters`: the events that the broker refused for good, and what is to become of them."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from servicekit import exactjson
from servicekit.events import dead_letters

ALL = "all"


class Command(BaseCommand):
    help = (
        "Lists the events that can not be published: a message that is larger than the topic allows, say. The later "
        "events of the same order or payment wait behind each, so that nobody learns of them out of order. Mend the "
        "cause and replay it: it is published first, then those behind it. Or give it up: they go on without it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--replay", metavar="POSITION|all", help="let the relay try again")
        chosen.add_argument("--give-up", metavar="POSITION|all", help="never publish it; it stays in the list")

    def handle(self, *_: Any, replay: str | None, give_up: str | None, **__: Any) -> None:
        if replay is not None:
            self._do(dead_letters.replay, replay, "to be tried again")
        elif give_up is not None:
            self._do(dead_letters.give_up, give_up, "given up")
        else:
            self._list()

    def _do(self, what: Callable[[int | None], int], given: str, done: str) -> None:
        if given != ALL and not given.isdecimal():
            raise CommandError(f"a position from the list, or {ALL}, not {given!r}")
        count = what(None if given == ALL else int(given))
        if not count and given != ALL:
            raise CommandError(f"there is no dead event at position {given}")
        self.stdout.write(f"{count} {done}")

    def _list(self) -> None:
        found = dead_letters.listing()
        for dead in found:
            letter, event = dead.letter, dead.letter.event
            state = "given up" if letter.given_up_at else f"dead, {dead.waiting} wait behind it"
            self.stdout.write(
                f"{event.position}  {event.type}  {event.aggregatetype} {event.aggregateid} #{event.sequence}  "
                f"{exactjson.utc_text(letter.died_at)}  {state}: {letter.error}"
            )
        self.stdout.write(f"{sum(not dead.letter.given_up_at for dead in found)} dead, {len(found)} in the list")
