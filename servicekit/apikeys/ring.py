"""The keys that are good at the moment, as a process has them in its memory."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import DatabaseError
from django.db.models.functions import Now

from servicekit.apikeys.limits import Bucket
from servicekit.apikeys.models import ApiKey, generator

log = structlog.get_logger()

# Whoever is the first to ask after that reads the table again. A key that is revoked ends within twice that.
FRESH_S: Final = 0.4
# Nobody trusts a ring that is older, while another is reading a new one.
TRUSTED_S: Final = 0.8
# How exactly `last_used_at` is known.
USE_NOTED_EVERY_S: Final = 60.0


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
        self._reading = threading.Lock()
        self._used: set[str] = set()
        self._use_noted_at = clock()

    def find(self, secret: str) -> Key | None:
        """The key with this secret; None when there is none, or it is over.

        Raises Django's DatabaseError where the table cannot be read.
        """
        if self._clock() - self._read_at > FRESH_S:
            self._read()
        key = self._keys.get(generator.hash(secret))
        if key is None or (key.expires_at is not None and key.expires_at <= self._now()):
            return None
        self._used.add(key.prefix)
        return key

    def _read(self) -> None:
        """Read all keys, unless somebody else does so and what there is can be trusted meanwhile."""
        if not self._reading.acquire(blocking=self._clock() - self._read_at > TRUSTED_S):
            return
        try:
            began = self._clock()
            if began - self._read_at > FRESH_S:
                self._keys = self._all()
                self._read_at = began
                self._note_use()
        finally:
            self._reading.release()

    def _all(self) -> Mapping[str, Key]:
        """A key that was there before keeps its bucket, unless it has another limit."""
        buckets = {key.prefix: key.bucket for key in self._keys.values()}
        rows = ApiKey.objects.filter(revoked_at=None).values_list(
            "hashed_key", "prefix", "name", "scopes", "expires_at", "limit_per_s"
        )
        return {
            hashed: Key(
                prefix=prefix,
                name=name,
                scopes=frozenset(scopes.split()),
                expires_at=expires.timestamp() if expires else None,
                bucket=_bucket(limit, buckets.get(prefix)),
            )
            for hashed, prefix, name, scopes, expires, limit in rows
        }

    def _note_use(self) -> None:
        """Once a minute. That it cannot be written is no reason to refuse the request that happened to come now."""
        if not self._used or self._clock() - self._use_noted_at < USE_NOTED_EVERY_S:
            return
        self._use_noted_at = self._clock()
        used, self._used = self._used, set()
        try:
            ApiKey.objects.filter(prefix__in=used).update(last_used_at=Now())
        except DatabaseError:
            log.warning("keys.use_not_noted", exc_info=True)


def _bucket(limit_per_s: float | None, before: Bucket | None) -> Bucket | None:
    if limit_per_s is None:
        return None
    return before if before is not None and before.per_s == limit_per_s else Bucket(limit_per_s)
