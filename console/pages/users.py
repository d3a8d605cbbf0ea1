"""Who may sign in: names with password hashes, from a file or the environment."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from django.contrib.auth.hashers import check_password, make_password
from environs import EnvError

_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)
# Wrong passwords of one name, after which nobody is asked for it for a while.
MAX_WRONG: Final = 5
LOCKED_FOR_S: Final = 60.0
# Names of which wrong passwords are remembered; a guesser makes up any number.
_MAX_NAMES: Final = 1000


def read(text: str) -> Mapping[str, str]:
    """Password hash by name, of `name:hash` lines; blank lines and those that begin with # say nothing.

    Raises:
        EnvError: a line is something else.
    """
    lines = [line.strip() for line in re.split(r"[\n,]", text)]
    found = {}
    for line in (line for line in lines if line and not line.startswith("#")):
        name, _, password = line.partition(":")
        if not _NAME.fullmatch(name) or password.count("$") < 2:
            raise EnvError('Environment variable "CONSOLE_USERS" must have name:hash, as manage.py user NAME prints it')
        found[name] = password
    return found


def line_for(name: str, password: str) -> str:
    """What `CONSOLE_USERS` has for a user. Raises ValueError for a name that cannot be one."""
    if not _NAME.fullmatch(name):
        raise ValueError("A name is 1 to 64 letters, digits and . _ @ -")
    return f"{name}:{make_password(password)}"


class Doorkeeper:
    """Checks passwords, and stops asking for a name that was guessed at too often. Safe to share between threads."""

    def __init__(self, known: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known = known
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def admits(self, name: str, password: str) -> bool:
        """Whether that is the name's password. Takes as long for a name that there is not."""
        with self._lock:
            count, last = self._wrong.get(name, (0, 0.0))
            if count >= MAX_WRONG and self._clock() - last < LOCKED_FOR_S:
                return False
        is_right = check_password(password, self._known.get(name) or make_password("")) and name in self._known
        with self._lock:
            if is_right:
                self._wrong.pop(name, None)
                return True
            if len(self._wrong) >= _MAX_NAMES:
                self._wrong.clear()
            self._wrong[name] = (0 if count >= MAX_WRONG else count) + 1, self._clock()
            return False
