"""Says which database is used, so that nobody has to guess what his variables came to."""

from typing import Final

import structlog
from django.db import DEFAULT_DB_ALIAS, connections

log = structlog.get_logger()
# What Django puts in the place of a database where there is none.
_NONE: Final = "django.db.backends.dummy"


def say_which(alias: str = DEFAULT_DB_ALIAS) -> None:
    """One line at the start of a server, a worker and a migration; without the password, and without connecting."""
    settings = connections.settings[alias]
    if settings["ENGINE"] == _NONE:
        return
    given = {part.lower(): str(settings[part]) for part in ("NAME", "USER", "HOST", "PORT") if settings[part]}
    log.info("database.used", engine=settings["ENGINE"].rpartition(".")[2], **given)
