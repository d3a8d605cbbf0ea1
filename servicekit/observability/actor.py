"""Who does what is done: the name that events and log lines carry."""

from contextvars import ContextVar
from typing import Final

# Of a column; longer than the name of a key or a user of the admin that is worth reading.
MAX_LENGTH: Final = 64
# Whoever asks a service that takes no keys.
ANONYMOUS: Final = "anonymous"
WORKER: Final = "worker"
CONSUMER: Final = "consumer"
# Whatever nobody has said it of is run by hand: `manage.py`.
COMMAND: Final = "command"
# No key may be called so.
RESERVED: Final = frozenset({ANONYMOUS, WORKER, CONSUMER, COMMAND})

_current: ContextVar[str] = ContextVar("actor", default=COMMAND)


def current() -> str:
    """The name of whoever this thread works for."""
    return _current.get()


def act_as(name: str) -> None:
    """From now on this thread works for `name`, which is in each line of its log (`logs.py` puts it there)."""
    _current.set(name[:MAX_LENGTH])
