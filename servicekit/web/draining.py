"""Whether this process is about to end: it goes on answering for a while, and nobody is to send it more."""

import threading

_draining = threading.Event()


def drain() -> None:
    """From now on say that this process is not ready, whatever else there is to say."""
    _draining.set()


def is_draining() -> bool:
    return _draining.is_set()
