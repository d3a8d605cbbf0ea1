"""Making, replacing and revoking keys. Every change is logged with who made it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from servicekit import errors
from servicekit.apikeys import models
from servicekit.apikeys.models import PREFIX_LENGTH, ApiKey, generator
from servicekit.db.transactions import in_one_transaction
from servicekit.observability import actor
from servicekit.web import routes

log = structlog.get_logger()

MAX_NAME_LENGTH: Final = 50
# A secret that somebody else has made: as long as those that are made here, or longer.
MIN_SECRET_LENGTH: Final = 32


class Problem(errors.Invalid):
    code = "invalid_key_request"


@in_one_transaction
def create(
    name: str,
    scopes: Iterable[str],
    *,
    expires: datetime | None = None,
    limit_per_s: float | None = None,
    secret: str | None = None,
    instead: bool = False,
) -> str:
    """Make a key, and return its secret: nobody can read that again.

    Args:
        expires: None: never.
        limit_per_s: Requests a second in each process; None: as many as there are.
        secret: One that was made elsewhere, as `prefix.rest`, instead of a new one.
        instead: Whatever keys of this name are good end here.

    Raises:
        Problem: there is a key of this name that is good, or something is wrong with what was asked.
    """
    if instead:
        _revoke(list(usable(name)))
    elif usable(name):
        raise Problem(f"There is a key {name!r}. Replace it with `keys rotate`, or revoke it first")
    key = ApiKey(
        name=checked_name(name),
        scopes=" ".join(checked_scopes(scopes)),
        expires_at=expires,
        limit_per_s=limit_per_s,
        created_by=actor.current(),
    )
    return _save(key, secret)


@in_one_transaction
def rotate(name: str, *, overlap: timedelta, expires: datetime | None = None, secret: str | None = None) -> str:
    """Make a new key that may do what the present one may; that one ends after `overlap`. Returns the new secret.

    Args:
        expires: When the new one ends; None: when the present one would have.

    Raises:
        Problem: there is no key of this name.
    """
    old = list(usable(name))
    if not old:
        raise Problem(f"There is no key {name!r}")
    newest = old[-1]
    ends = timezone.now() + overlap
    ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=ends), pk__in=[key.pk for key in old]).update(
        expires_at=ends
    )
    key = ApiKey(
        name=name,
        scopes=newest.scopes,
        expires_at=expires or newest.expires_at,
        limit_per_s=newest.limit_per_s,
        created_by=actor.current(),
    )
    return _save(key, secret)


@in_one_transaction
def revoke(name_or_prefix: str) -> int:
    """End every key of this name, or the one with this prefix, within a second; return how many.

    Raises Problem: there is none that could be ended.
    """
    chosen = list(models.usable().filter(Q(name=name_or_prefix) | Q(prefix=name_or_prefix)))
    if not chosen:
        raise Problem(f"There is no key {name_or_prefix!r}")
    _revoke(chosen)
    return len(chosen)


def usable(name: str) -> QuerySet[ApiKey]:
    """The keys of this name that are good now, the newest last."""
    return models.usable().filter(name=name).order_by("created_at", "pk")


def any_usable() -> bool:
    """Whether anybody could get in."""
    return models.usable().exists()


def checked_name(name: str) -> str:
    """A name that may stand in logs and events. Raises Problem."""
    if not name or len(name) > MAX_NAME_LENGTH or not name.isascii() or not name.isprintable() or name != name.strip():
        raise Problem(f"A name has 1 to {MAX_NAME_LENGTH} printable ASCII characters, not {name!r}")
    if name in actor.RESERVED:
        raise Problem(f"{name!r} is not a client's name; {', '.join(sorted(actor.RESERVED))} are the service's own")
    return name


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """Scopes that this service has, each once. Raises Problem."""
    given = sorted(set(scopes))
    known = routes.scopes()
    if not given:
        raise Problem(f"A key needs a scope: {', '.join(sorted(known))}")
    if unknown := [scope for scope in given if scope not in known]:
        raise Problem(f"There is no scope {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return given


def _revoke(keys: Sequence[ApiKey]) -> None:
    ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(revoked_at=timezone.now(), revoked_by=actor.current())
    for key in keys:
        transaction.on_commit(partial(log.info, "key.revoked", key=key.name, prefix=key.prefix))


def _save(key: ApiKey, secret: str | None) -> str:
    if secret is None:
        secret, key.prefix, key.hashed_key = generator.generate()
    else:
        _take_secret(key, secret)
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError as problem:
        raise Problem(f"There is a key that begins with {key.prefix} already") from problem
    transaction.on_commit(partial(log.info, "key.created", key=key.name, prefix=key.prefix, scopes=key.scopes))
    return secret


def _take_secret(key: ApiKey, secret: str) -> None:
    prefix, dot, rest = secret.partition(".")
    is_long = len(rest) >= MIN_SECRET_LENGTH and len(secret) <= 2 * MAX_NAME_LENGTH
    if not dot or len(prefix) != PREFIX_LENGTH or not is_long or not secret.isascii() or not secret.isprintable():
        raise Problem(f"A secret is {PREFIX_LENGTH} characters, a dot, and {MIN_SECRET_LENGTH} or more characters")
    key.prefix, key.hashed_key = prefix, generator.hash(secret)
