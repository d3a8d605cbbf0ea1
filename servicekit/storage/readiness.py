"""Whether the database takes what it is given: what readiness shows.

Reading proves little. A full disk, a file that can only be read and a lock that is never given back answer every SELECT
as ever, while every write fails. So a row is written; small, for a disk that takes one page and not two is full a
moment later.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    connections,
    transaction,
)
from django.db.models.functions import Now

from servicekit.db.sqlite import base as sqlite
from servicekit.storage import damage
from servicekit.storage.models import Heartbeat

log = structlog.get_logger()

OK: Final = "ok"
# Nothing can even be read.
UNAVAILABLE: Final = "unavailable"
NOT_WRITABLE: Final = "not writable"
DAMAGED: Final = "damaged"

# Whoever asks more often is told what was found last: a health check must not become a load.
FOUND_ANEW_AFTER_S: Final = 1.0
# A write is given twenty seconds to get SQLite's one lock. Whoever asks for the health has less patience than that:
# Kubernetes one second, unless told otherwise.
LOCK_WAIT_S: Final = 0.5


class State:
    """What was found last, and finding it anew. One thread at a time does that; the others are told what is known."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looking = threading.Lock()
        self._found = OK
        self._good_until = float("-inf")

    def __call__(self) -> str:
        if self._clock() >= self._good_until and self._looking.acquire(blocking=False):
            try:
                self._found = _look()
                self._good_until = self._clock() + (FOUND_ANEW_AFTER_S if self._found == OK else 0.0)
            finally:
                self._looking.release()
        return DAMAGED if damage.is_known() else self._found


def _look() -> str:
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except (DatabaseError, InterfaceError) as problem:
        log.exception("health.database_unavailable")
        damage.note(problem)
        return UNAVAILABLE
    try:
        with sqlite.waiting_at_most(connections[DEFAULT_DB_ALIAS], LOCK_WAIT_S):
            _beat()
    except (DatabaseError, InterfaceError) as problem:
        log.exception("health.database_not_writable")
        damage.note(problem)
        return NOT_WRITABLE
    return OK


def _beat() -> None:
    with transaction.atomic():
        if Heartbeat.objects.filter(pk=Heartbeat.ONLY).update(beaten_at=Now()):
            return
    try:
        with transaction.atomic():
            Heartbeat(beaten_at=Now()).save(force_insert=True)
    except IntegrityError:
        pass  # another process was first, so it was written


# One for the process: whoever asks, the health or the metrics, is told what was found last.
of_this_process: Final = State()
