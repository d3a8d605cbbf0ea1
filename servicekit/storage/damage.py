"""Whether SQLite found its own file broken. That does not mend itself: until the process is started again."""

import threading
from typing import Final

from django.db import DatabaseError

# What SQLite says of a file that is none of its own making. Python 3.10's module has no codes for it.
_SAID_OF_DAMAGE: Final = ("malformed", "not a database")

_seen: Final = threading.Event()


def note(problem: Exception) -> None:
    """Look at an error of the database: one of them is a reason to take no more requests."""
    if type(problem) is DatabaseError and any(words in str(problem) for words in _SAID_OF_DAMAGE):
        _seen.set()


def is_known() -> bool:
    return _seen.is_set()
