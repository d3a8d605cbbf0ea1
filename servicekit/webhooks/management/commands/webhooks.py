"""`manage.py webhooks`: where events are sent to, what became of them, and sending them again."""

import uuid
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from servicekit import errors, exactjson
from servicekit.webhooks import deliveries, endpoints
from servicekit.webhooks.models import State

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHOWN: Final = 50


class Command(BaseCommand):
    help = (
        "Makes, lists, changes and ends the webhooks of this service, shows what was delivered, and sends it again. A "
        "secret is shown once, alone on the last line. The worker delivers (manage.py worker)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        what.add_parser("list", help="show the webhooks")
        _add_create(what)
        for name, about in (
            ("enable", "send to it again, from now on"),
            ("disable", "send nothing to it any more"),
            ("delete", "end it for good"),
        ):
            what.add_parser(name, help=about).add_argument("id")
        rotate = what.add_parser("rotate", help="give it a new secret; the one before stays good for a while")
        rotate.add_argument("id")
        rotate.add_argument("--overlap", type=_span, default=endpoints.OVERLAP, metavar="TIME", help="24h by default")
        _add_log(what)

    def handle(self, *_: Any, what: str, **options: Any) -> None:
        actions: Mapping[str, Callable[..., None]] = {
            "list": self._list,
            "create": self._create,
            "enable": self._enable,
            "disable": self._disable,
            "delete": self._delete,
            "rotate": self._rotate,
            "deliveries": self._deliveries,
            "resend": self._resend,
            "recover": self._recover,
            "example": self._example,
        }
        try:
            actions[what](**options)
        except errors.ServiceError as problem:
            raise CommandError(problem.message) from problem

    def _list(self, **_: Any) -> None:
        for each in endpoints.all_of_them():
            state = "enabled" if each.is_enabled else f"disabled: {each.disabled_reason}"
            since = f", failing since {exactjson.utc_text(each.failing_since)}" if each.failing_since else ""
            self.stdout.write(f"{each.uid}  {each.url}  {each.events}  {state}{since}  {each.description}".rstrip())

    def _create(self, *, url: str, events: list[str], description: str, contact: str, ordered: bool, **_: Any) -> None:
        made = endpoints.create(
            uuid.uuid4(), url=url, asked=events, description=description, contact=contact, is_ordered=ordered
        )
        self.stdout.write(f"{made.uid} is sent {made.events}. Its secret:\n{made.secret}")

    def _enable(self, *, id: str, **_: Any) -> None:  # noqa: A002 - as the argument is called
        self.stdout.write("enabled" if endpoints.enable(endpoints.get(id)) else "was enabled already")

    def _disable(self, *, id: str, **_: Any) -> None:  # noqa: A002
        is_new = endpoints.disable(endpoints.get(id).pk, endpoints.BY_HAND)
        self.stdout.write("disabled" if is_new else "was disabled already")

    def _delete(self, *, id: str, **_: Any) -> None:  # noqa: A002
        endpoints.delete(endpoints.get(id))
        self.stdout.write("deleted")

    def _rotate(self, *, id: str, overlap: timedelta, **_: Any) -> None:  # noqa: A002
        now = endpoints.rotate(endpoints.get(id), overlap=overlap)
        until = exactjson.utc_text(now.previous_secret_until)
        self.stdout.write(f"The secret before is good until {until}. The new one:\n{now.secret}")

    def _deliveries(self, *, id: str, state: str | None, delivery: str | None, **_: Any) -> None:  # noqa: A002
        endpoint = endpoints.get(id)
        if delivery is not None:
            for attempt in deliveries.attempts_of(deliveries.get(endpoint, delivery)):
                said = f"{attempt['status'] or '-'}  {attempt['duration_ms']} ms  {attempt['problem'] or 'delivered'}"
                self.stdout.write(f"{attempt['at']}  {said}  {attempt['answer']!r}")
            return
        rows = deliveries.of(endpoint)
        for each in (rows if state is None else rows.filter(state=state))[:_SHOWN]:
            why = f"  {each.reason}" if each.reason else ""
            when = exactjson.utc_text(each.created_at)
            self.stdout.write(f"{each.uid}  {when}  {each.type}  {each.subject}  {each.state}  {each.tries} tries{why}")

    def _resend(self, *, id: str, delivery: str, **_: Any) -> None:  # noqa: A002
        endpoint = endpoints.get(id)
        deliveries.resend(endpoint, deliveries.get(endpoint, delivery))
        self.stdout.write("is sent again")

    def _recover(self, *, id: str, since: datetime, **_: Any) -> None:  # noqa: A002
        self.stdout.write(f"{deliveries.recover(endpoints.get(id), since)} are sent again")

    def _example(self, *, id: str, type: str, **_: Any) -> None:  # noqa: A002
        self.stdout.write(str(deliveries.send_example(endpoints.get(id), type).uid))


def _add_create(what: Any) -> None:
    create = what.add_parser("create", help="have events sent to a URL; shows the secret")
    create.add_argument("url")
    create.add_argument(
        "--events", action="append", required=True, metavar="TYPE", help="order.paid, order.*, *; several times"
    )
    create.add_argument("--description", default="")
    create.add_argument("--contact", default="", metavar="MAIL", help="whom a mail tells that it was disabled")
    create.add_argument("--ordered", action="store_true", help="later events of an order wait for earlier ones")


def _add_log(what: Any) -> None:
    shown = what.add_parser("deliveries", help=f"show the newest {_SHOWN} deliveries, or all attempts of one")
    shown.add_argument("id")
    shown.add_argument("--state", choices=State.values)
    shown.add_argument("--delivery", help="its id")
    resend = what.add_parser("resend", help="send a delivery again")
    resend.add_argument("id")
    resend.add_argument("delivery")
    recover = what.add_parser("recover", help="send all again that failed since a moment")
    recover.add_argument("id")
    recover.add_argument("--since", type=_moment, required=True, metavar="WHEN", help="a moment, or a time ago: 3h")
    example = what.add_parser("example", help="send an example")
    example.add_argument("id")
    example.add_argument("--type", default=deliveries.EXAMPLE_TYPE)


def _span(text: str) -> timedelta:
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isascii() or not text[:-1].isdigit() or len(text) > 7:
        raise ArgumentTypeError(f"a time like 30m, 24h or 7d, not {text!r}")
    return timedelta(seconds=int(text[:-1]) * unit)


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if moment is not None:
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_current_timezone())
    if day is not None:
        return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
    return timezone.now() - _span(text)
