"""What a service is told about its webhooks by its environment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from environs import Env, EnvError, validate

from servicekit.settings import env as environment

# Of Standard Webhooks, and the last two once more: the tenth attempt is more than three days after the first.
RETRY_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)

# Patterns of the paths of its lists, for `ADMISSION`.
LISTS: Final = ("/api/webhooks/[^/]+/deliveries",)


@dataclass(frozen=True)
class WebhookSettings:
    """How webhooks are delivered.

    Attributes:
        allowed: Networks that may be reached though they are not public.
        at_once: Requests to one host at the same time.
        timeout_s: Of one attempt, all of it.
        retry_s: How long to wait after each attempt in vain; one more than these is the last.
        disable_after_s: An endpoint that fails for so long is disabled.
        kept_s: How long it is known what was delivered, and by which attempts.
        mail_to: Who hears of an endpoint that was disabled and names nobody itself.
    """

    allowed: Sequence[IPv4Network | IPv6Network]
    at_once: int
    timeout_s: float
    retry_s: Sequence[float]
    disable_after_s: float
    kept_s: float
    mail_to: Sequence[str]


@dataclass(frozen=True)
class MailSettings:
    """Django's settings for mail, under the names that they have in the environment here."""

    backend: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    use_tls: bool
    timeout_s: int
    sender: str


def settings(env: Env) -> WebhookSettings:
    """The `WEBHOOK_*` variables."""
    retry_s: list[float] = env.list("WEBHOOK_RETRY_S", default=list(RETRY_S), subcast=float)
    if min(retry_s, default=0.0) < 0:
        raise EnvError('Environment variable "WEBHOOK_RETRY_S" must be seconds like "5,300"')
    mail_to: list[str] = env.list("WEBHOOK_MAIL_TO", default=[])
    days = 24 * 3600.0
    return WebhookSettings(
        allowed=_networks(env, "WEBHOOK_ALLOW"),
        at_once=env.int("WEBHOOK_AT_ONCE", default=4, validate=validate.Range(1)),
        timeout_s=env.float("WEBHOOK_TIMEOUT_S", default=15.0, validate=validate.Range(0.01)),
        retry_s=retry_s,
        disable_after_s=env.float("WEBHOOK_DISABLE_AFTER_DAYS", default=3.0) * days,
        kept_s=env.float("WEBHOOK_KEPT_DAYS", default=30.0) * days,
        mail_to=[each.strip() for each in mail_to],
    )


def mail(env: Env) -> MailSettings:
    """The `EMAIL_*` variables and `MAIL_FROM`."""
    return MailSettings(
        backend=env.str("EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend"),
        host=env.str("EMAIL_HOST", default="localhost"),
        port=env.int("EMAIL_PORT", default=25),
        user=env.str("EMAIL_HOST_USER", default=""),
        password=environment.secret(env, "EMAIL_HOST_PASSWORD"),
        use_tls=env.bool("EMAIL_USE_TLS", default=False),
        timeout_s=env.int("EMAIL_TIMEOUT", default=10),
        sender=env.str("MAIL_FROM", default="Shop <shop@localhost>"),
    )


def _networks(env: Env, name: str) -> list[Any]:
    given: list[str] = env.list(name, default=[])
    try:
        return [ip_network(each.strip()) for each in given if each.strip()]
    except ValueError as problem:
        raise EnvError(f'Environment variable "{name}" must be networks like "127.0.0.0/8": {problem}') from problem
