"""The file of a database before SQLite has it: whether it can be one, and who may read it."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

# Its owner's alone; SQLite gives its log and its index the same.
PRIVATE: Final = 0o600


def has_file(name: object) -> bool:
    """Whether `DB_NAME` is a path, not SQLite's memory or an address of another kind."""
    return bool(name) and not str(name).startswith((":", "file:"))


def make_private(name: object) -> None:
    """Make a new database's file as its owner's alone; SQLite itself asks the umask, and most say: for all to read.

    One that is there stays as it is: somebody may have given it to a group. Where it cannot be made, SQLite says so.
    """
    if has_file(name):
        with suppress(OSError):
            os.close(os.open(str(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


def what_is_wrong_with(name: object) -> str:
    """Why there can be no database, as a sentence; empty where there can."""
    if not has_file(name):
        return ""
    path = Path(str(name)).absolute()
    if path.is_dir():
        return f"DB_NAME is {path}, which is a folder; it must be a file in one"
    if not path.parent.is_dir():
        return f"DB_NAME is {path}, and there is no folder {path.parent}"
    if not path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
        return f"DB_NAME is {path}, which is not there, and in its folder nothing can be made"
    return ""
