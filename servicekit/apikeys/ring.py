"""The keys that are good at the moment, as a process has them in its memory."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

import structlog
from django.db import Error, OperationalError, connection
from django.db.models import Q

from servicekit.apikeys.limits import Bucket
from servicekit.apikeys.models import ApiKey, generator, usable
from servicekit.db.sqlite.base import waiting_at_most

log = structlog.get_logger()

# Whoever is the first to ask after that reads the table again. A key that is revoked ends within twice that.
FRESH_S: Final = 0.4
# A key that is not among them may have been made since then: whoever comes with one looks again, but not more often.
UNKNOWN_FRESH_S: Final = 0.05
# Nobody trusts a ring that is older, while another is reading a new one.
TRUSTED_S: Final = 0.8
# How exactly `last_used_at` is known.
USE_NOTED_EVERY_S: Final = 60.0
# How long the request that happens to note it may wait for SQLite's lock.
_NOTING_WAITS_S: Final = 0.1


@dataclass(frozen=True)
class Key:
    """A key as its requests are judged by. `expires_at` is a Unix time."""

    prefix: str
    name: str
    scopes: frozenset[str]
    expires_at: float | None
    bucket: Bucket | None


class Ring:
    """Finds keys by their secrets, in one look at a dictionary."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._now = now
        self._keys: Mapping[str, Key] = {}
        self._read_at = float("-inf")
        self._failed_at = float("-inf")
        self._reading = threading.Lock()
        self._used: dict[str, float] = {}  # when, by prefix
        self._use_noted_at = clock()

    def find(self, secret: str) -> Key | None:
        """The key with this secret; None when there is none, or it is over.

        Raises Django's Error where the table cannot be read.
        """
        if self._clock() - self._read_at > FRESH_S:
            self._read(FRESH_S)
            self._note_use()
        hashed = generator.hash(secret)
        key = self._keys.get(hashed)
        if key is None and self._clock() - self._read_at > UNKNOWN_FRESH_S:
            self._read(UNKNOWN_FRESH_S)
            key = self._keys.get(hashed)
        if key is None or (key.expires_at is not None and key.expires_at <= self._now()):
            return None
        self._used[key.prefix] = self._now()
        return key

    def _read(self, fresh_s: float) -> None:
        """Read all keys, unless somebody has just done so, or does and what there is can be trusted meanwhile.

        Whoever waited for one that failed has failed too: where the database says nothing, each in turn would wait as
        long as that one did.
        """
        arrived = self._clock()
        if not self._reading.acquire(blocking=arrived - self._read_at > TRUSTED_S):
            return
        try:
            began = self._clock()
            if self._failed_at > arrived:
                raise OperationalError("The keys could not be read a moment ago")
            if began - self._read_at > fresh_s:
                self._keys = self._all()
                self._read_at = began
        except Error:
            self._failed_at = self._clock()
            raise
        finally:
            self._reading.release()

    def _all(self) -> Mapping[str, Key]:
        """Two keys of one name are one caller, so they share a bucket; and it stays, unless the limit is another."""
        buckets = {(key.name, key.bucket.per_s): key.bucket for key in self._keys.values() if key.bucket is not None}
        columns = ("hashed_key", "prefix", "name", "scopes", "expires_at", "limit_per_s")
        rows = list(usable().values_list(*columns))
        for _, _, name, _, _, limit in rows:
            if limit is not None and (name, limit) not in buckets:
                buckets[name, limit] = Bucket(limit)
        return {
            hashed: Key(
                prefix=prefix,
                name=name,
                scopes=frozenset(scopes.split()),
                expires_at=expires.timestamp() if expires else None,
                bucket=None if limit is None else buckets[name, limit],
            )
            for hashed, prefix, name, scopes, expires, limit in rows
        }

    def _note_use(self) -> None:
        """Once a minute. That it cannot be written is no reason to refuse the request that happened to come now."""
        if not self._used or self._clock() - self._use_noted_at < USE_NOTED_EVERY_S:
            return
        self._use_noted_at = self._clock()
        used, self._used = self._used, {}
        try:
            with waiting_at_most(connection, _NOTING_WAITS_S):
                for prefix, at in list(used.items()):  # others may go on adding to it
                    moment = datetime.fromtimestamp(at, tz=timezone.utc)
                    is_later = Q(last_used_at=None) | Q(last_used_at__lt=moment)  # than another process knows of
                    ApiKey.objects.filter(is_later, prefix=prefix).update(last_used_at=moment)
        except Error:
            self._used = used | self._used
            log.warning("keys.use_not_noted", exc_info=True)
