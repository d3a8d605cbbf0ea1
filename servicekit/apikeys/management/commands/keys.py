"""`manage.py keys`: who may use this service's API, and for what."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from servicekit import errors, exactjson
from servicekit.apikeys import issuing
from servicekit.apikeys.models import PREFIX_LENGTH, ApiKey
from servicekit.web import routes

# How long the old key stays good while a client takes the new one.
_OVERLAP: Final = "24h"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Command(BaseCommand):
    help = (
        "Makes, lists, replaces and revokes the API keys of this service. A secret is shown once, alone on the last "
        "line; the database has only its hash. A client sends it as `Authorization: Bearer <secret>`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="{create,list,rotate,revoke}")
        create = what.add_parser("create", help="make a key")
        create.add_argument("name", help="whose it is: stands in logs, events and the audit trail")
        create.add_argument(
            "--scope", action="append", default=[], metavar="SCOPE", help="what it may do; may be given several times"
        )
        create.add_argument("--expires", type=_moment, metavar="WHEN", help="a date, a moment, or a time from now: 90d")
        create.add_argument("--limit", type=_limit, metavar="N/s", help="requests a second in each process: 50/s")
        _from_file(create)
        others = create.add_mutually_exclusive_group()
        others.add_argument("--if-missing", action="store_true", help="do nothing when there is a key of this name")
        others.add_argument("--instead", action="store_true", help="revoke the keys of this name that there are")
        what.add_parser("list", help="show the keys, and the scopes that there are")
        rotate = what.add_parser("rotate", help="make a new key for a name; the old one stays good for a while")
        rotate.add_argument("name")
        rotate.add_argument(
            "--overlap", type=_span, default=_span(_OVERLAP), metavar="TIME", help=f"how long; {_OVERLAP} by default"
        )
        rotate.add_argument(
            "--expires",
            type=_moment,
            metavar="WHEN",
            help="when the new one ends; by default when the old one would have",
        )
        _from_file(rotate)
        revoke = what.add_parser("revoke", help="end a key, in every process within a second")
        revoke.add_argument("name", help="a name, for all its keys, or the prefix of one")

    def handle(self, *_: Any, what: str, **options: Any) -> None:
        actions: Mapping[str, Callable[..., None]] = {
            "create": self._create,
            "list": self._list,
            "rotate": self._rotate,
            "revoke": self._revoke,
        }
        try:
            actions[what](**options)
        except errors.Invalid as problem:
            raise CommandError(problem.message) from problem

    def _create(
        self,
        *,
        name: str,
        scope: list[str],
        expires: datetime | None,
        limit: float | None,
        from_file: Path | None,
        if_missing: bool,
        instead: bool,
        **_: Any,
    ) -> None:
        scopes = [part for given in scope for part in re.split(r"[ ,]+", given) if part]
        if if_missing and issuing.usable(issuing.checked_name(name)):
            self.stdout.write(f"There is a key {name!r}")
            return
        try:
            secret = issuing.create(
                name, scopes, expires=expires, limit_per_s=limit, secret=_read(from_file), instead=instead
            )
        except issuing.Problem:
            if if_missing and issuing.usable(name):  # another process was faster
                self.stdout.write(f"There is a key {name!r}")
                return
            raise
        self._show(f"{name} may {', '.join(sorted(set(scopes)))}.", secret, from_file)

    def _rotate(
        self, *, name: str, overlap: timedelta, expires: datetime | None, from_file: Path | None, **_: Any
    ) -> None:
        present = list(issuing.usable(name))
        secret = issuing.rotate(name, overlap=overlap, expires=expires, secret=_read(from_file))
        old = ApiKey.objects.get(pk=present[-1].pk)
        new = ApiKey.objects.get(prefix=secret[:PREFIX_LENGTH])
        self._show(f"{name} has a new key{_until(', ', new)}; the old one is{_until(' ', old)}.", secret, from_file)

    def _revoke(self, *, name: str, **_: Any) -> None:
        self.stdout.write(f"{issuing.revoke(name)} revoked; no process takes them for longer than a second")

    def _show(self, sentence: str, secret: str, from_file: Path | None) -> None:
        if from_file is not None:
            self.stdout.write(f"{sentence} Its secret is the one in {from_file}.")
            return
        self.stdout.write(f"{sentence} Keep its secret, nobody can show it again:")
        self.stdout.write(secret)

    def _list(self, **_: Any) -> None:
        found = ApiKey.objects.all()
        for key in found:
            self.stdout.write(f"{key.prefix}  {key.name}  {_state(key)}  {key.scopes}  {_use(key)}")
        self.stdout.write(f"{len(found)} keys; the scopes of this service are {', '.join(sorted(routes.scopes()))}")


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {exactjson.utc_text(key.revoked_at)} by {key.revoked_by}"
    if key.expires_at is None:
        return "good"
    return f"{'expired' if key.expires_at <= timezone.now() else 'good until'} {exactjson.utc_text(key.expires_at)}"


def _until(before: str, key: ApiKey) -> str:
    return f"{before}good until {exactjson.utc_text(key.expires_at.replace(microsecond=0))}" if key.expires_at else ""


def _use(key: ApiKey) -> str:
    limit = "" if key.limit_per_s is None else f"at most {key.limit_per_s:g}/s, "
    return limit + (f"last used {exactjson.utc_text(key.last_used_at)}" if key.last_used_at else "not used")


def _from_file(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--from-file", type=Path, metavar="FILE", help="take the secret in this file instead of making one"
    )


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as problem:
        raise CommandError(f"{path} cannot be read: {problem}") from problem


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text, re.ASCII)
    if match is None:
        raise ArgumentTypeError(f"a time is a number and s, m, h or d, like 24h, not {text!r}")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _moment(text: str) -> datetime:
    """A date ends at its midnight in UTC."""
    if re.fullmatch(r"[0-9]+[smhd]", text, re.ASCII):
        return timezone.now() + _span(text)
    try:
        is_date = parse_date(text) is not None
        moment = parse_datetime(f"{text}T00:00:00Z" if is_date else text)
    except ValueError as problem:
        raise ArgumentTypeError(f"{text!r} is not in any calendar: {problem}") from problem
    if moment is None:
        raise ArgumentTypeError(f"when it expires is 2027-01-31, 2027-01-31T12:00:00Z or 90d, not {text!r}")
    moment = moment if timezone.is_aware(moment) else timezone.make_aware(moment)  # in UTC, as TIME_ZONE is
    if moment <= timezone.now():
        raise ArgumentTypeError(f"{text} is over already")
    return moment


def _limit(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)/s", text, re.ASCII)
    if match is None or float(match[1]) == 0:
        raise ArgumentTypeError(f"a limit is a number above 0 and /s, like 50/s, not {text!r}")
    return float(match[1])
