"""System checks: whether anybody can get in, and whether everybody can."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.db import Error as DatabaseProblem

from servicekit.apikeys import issuing
from servicekit.settings import base

log = structlog.get_logger()

_HINT = "Make one: `manage.py keys create NAME --scope ...`; or say API_AUTH=off, and whoever reaches it may do all."


@register(Tags.database, deploy=True)
def somebody_can_get_in(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """A service that takes keys, and has none, could only refuse. `migrate` may run before there is one."""
    if not databases or not lacks_keys():
        return []
    return [Error("This service takes keys only, and has none.", hint=_HINT, id="apikeys.E001")]


@register(Tags.security, deploy=True)
def not_everybody_can_get_in(**_: Any) -> list[CheckMessage]:
    """Open to more than this machine, as said out loud."""
    if settings.API_AUTH:
        return []
    hint = "Say API_AUTH=on, and make keys with `manage.py keys create`."
    return [Warning("Whoever reaches this service may do everything.", hint=hint, id="apikeys.W001")]


def lacks_keys() -> bool:
    """Whether it takes keys only, and has none. A database that is away, or not migrated yet, is for others to tell."""
    try:
        return settings.API_AUTH and not issuing.any_usable()
    except DatabaseProblem:
        return False


def warn_if_open(host: str = "localhost") -> None:
    """Say in the log that keys are not asked for, where others than this machine are served."""
    if not settings.API_AUTH and not base.only_this_machine([*settings.ALLOWED_HOSTS, host]):
        log.warning("server.open", reason="API_AUTH=off: whoever reaches this service may do everything")
