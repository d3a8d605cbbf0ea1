"""System checks of the database that a service was given: what would go wrong later is said before."""

import stat
from pathlib import Path
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.db import DatabaseError, connection

from servicekit.db.sqlite import files

# What a role must limit by itself where PgBouncer is between (docs/databases.md).
_LIMITS: Final = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


@register
def every_text_can_be_kept(**_: Any) -> list[CheckMessage]:
    """On PostgreSQL: in another encoding than UTF-8 a name that the database has no letters for would be a crash."""
    encoding = _shown("server_encoding")
    if encoding in ("", "UTF8"):
        return []
    name = connection.settings_dict["NAME"]
    return [
        Error(
            f"The database {name} is in the encoding {encoding}; it must be in UTF-8.",
            hint=f"Make it anew: createdb --encoding=UTF8 --template=template0 {name}",
            id="storage.E001",
        )
    ]


@register
def waiting_has_an_end(**_: Any) -> list[CheckMessage]:
    """Behind PgBouncer: a session cannot be told its limits, so the role must have them."""
    if connection.vendor != "postgresql" or not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return []
    user = connection.settings_dict["USER"]
    return [
        Warning(
            f"With DB_TRANSACTION_POOLING nothing limits {name} for {user}.",
            hint=f"ALTER ROLE {user} SET {name} = '...'; see docs/databases.md",
            id="storage.W001",
        )
        for name in _LIMITS
        if _shown(name) == "0"
    ]


@register(Tags.security, deploy=True)
def nobody_else_reads_the_file(**_: Any) -> list[CheckMessage]:
    """A file of an earlier version, or one that was copied, may be open to everybody."""
    path = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor != "sqlite" or not files.has_file(path) or not path.exists():
        return []
    if not path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return []
    return [Warning(f"Everybody on this machine can read {path}.", hint=f"chmod 600 {path}*", id="storage.W002")]


def _shown(name: str) -> str:
    """A parameter of PostgreSQL's; empty on another database, and where nobody answers: that is for others to say."""
    if connection.vendor != "postgresql":
        return ""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            return str(cursor.fetchone()[0])
    except DatabaseError:
        return ""
