"""The secret by which a peer knows us. Its file is read again when it changes, so a rotation needs no restart."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from servicekit.settings.env import SecretSource, is_token

log = structlog.get_logger()

# How often the file is looked at, whoever calls. A look costs some microseconds.
LOOK_EVERY_S: Final = 1.0
# What a secret begins with that was made here: shown wherever a key is named.
_PREFIX: Final = re.compile(r"([A-Za-z0-9]{1,16})\.")


class PeerKey:
    """Safe to share between threads.

    What stood in the file before is kept, for the moment in which the peer does not know the new one yet: it may be
    told of it before or after we are.
    """

    def __init__(self, source: SecretSource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.variable = source.variable
        self._file = Path(source.file) if source.file else None
        self._clock = clock
        self._current = source.value
        self._previous = ""
        self._read_of: tuple[int, ...] = ()
        self._look_at = float("-inf")
        self._reading = threading.Lock()

    def secret(self) -> str:
        """The one to be sent; empty where there is none."""
        if self._file is not None and self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_EVERY_S
            self._read(self._file)
        return self._current

    def other_than(self, refused: str) -> str:
        """One to be sent after the peer has refused another: the new one, or the one before. Empty: there is none."""
        if self._file is not None:
            self._read(self._file, anyway=True)
        return next((secret for secret in (self._current, self._previous) if secret != refused), "")

    def named(self, secret: str) -> str:
        """Whose secret that is, fit for the log."""
        prefix = _PREFIX.match(secret)
        return f"{self.variable} ({prefix[1]})" if prefix else self.variable

    def _read(self, file: Path, *, anyway: bool = False) -> None:
        """A file that is being written, or away for a moment, changes nothing."""
        with self._reading:
            try:
                state = file.stat()
                written = (state.st_mtime_ns, state.st_ino, state.st_size)
                if written == self._read_of and not anyway:
                    return
                found = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as problem:
                log.warning("http.key_unreadable", key=self.variable, file=str(file), reason=type(problem).__name__)
                return
            if not found or not is_token(found):
                log.warning("http.key_unreadable", key=self.variable, file=str(file), reason="it is no key")
                return
            self._read_of = written
            if found != self._current:
                self._current, self._previous = found, self._current
                log.info("http.key_read", key=self.named(found))
