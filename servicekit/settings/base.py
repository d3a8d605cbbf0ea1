"""What is built in the same way for every service, most of it from its environment: values for its `settings.py`.

What is the same whatever the environment says is in `common.py`.
"""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import django_stubs_ext
from django.core.management.utils import get_random_secret_key
from environs import Env, EnvError, validate

from servicekit.load.circuit_breaker import BreakerPolicy
from servicekit.observability import logs
from servicekit.settings import databases
from servicekit.settings import env as environment

# Lets generic Django classes be written with their model, `ModelAdmin[Order]`, at run time too.
django_stubs_ext.monkeypatch()

VERSION: Final = "0.1.0"

# The largest order is a tenth of that when it is written with blanks, and a third when each character is escaped:
# 100 lines of some 60 bytes, and two texts of 255 characters.
DEFAULT_MAX_BODY_BYTES: Final = 65_536

APPS: Final = (
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "servicekit.apikeys",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "servicekit.events",
    "servicekit.fastpath",
    "servicekit.idempotency",
    "servicekit.invariants",
    "servicekit.signin",
    "servicekit.storage",
)
# RequestMiddleware first, so that the request id is in every line and on every answer.
_MIDDLEWARE: Final = (
    "servicekit.web.middleware.RequestMiddleware",
    "servicekit.web.middleware.LimitsMiddleware",
    "servicekit.web.admission.AdmissionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "servicekit.web.admin.middleware.AdminMiddleware",
)

# As many as are set in the Procfile and the images. A thread without work costs some ten kilobytes.
_SERVER_THREADS: Final = 128
# Of those, kept free for whoever watches the service, and for refusing.
_SPARE_THREADS: Final = 8
# Failures further apart than this are not one outage.
_BREAKER_WITHIN_S: Final = 60.0


def middleware(*, cors_origins: list[str], forwarded_prefix: bool = False) -> list[str]:
    """`MIDDLEWARE`; CORS is in it only where some origin is allowed, and around everything that may refuse.

    Args:
        forwarded_prefix: A proxy says `X-Forwarded-Prefix` for everybody who comes through it.
    """
    first, *others = _MIDDLEWARE
    prefix = ["servicekit.web.prefixes.ForwardedPrefixMiddleware"] if forwarded_prefix else []
    cors = ["corsheaders.middleware.CorsMiddleware"] if cors_origins else []
    return [first, *prefix, *cors, *others]


@dataclass(frozen=True)
class Admission:
    """How many requests a process works on at once, how many it has in all, and how long those wait, in seconds.

    Attributes:
        reads: Patterns of the paths, without the last slash, at which a GET may cost as much as a table is large.
        reads_at_once: How many of those are worked on, beside all others.
        read_limit_s: How long SQLite may look for what one of those wants, and for what somebody in the admin does.
    """

    at_once: int
    in_flight: int
    wait_s: float
    reads: tuple[str, ...] = ()
    reads_at_once: int = 1
    read_limit_s: float | None = databases.STATEMENT_TIMEOUT_S


@dataclass(frozen=True)
class Downstreams:
    """When peers are not asked any more, and how many calls may wait for one of them at once."""

    breaker: BreakerPolicy
    calls: int


@dataclass(frozen=True)
class Web:
    """What the environment says of any service that is reached by HTTP.

    Attributes:
        secure_cookies: On wherever the admin, which alone has cookies, is reached over https.
        cors_allowed_origins: Those whose scripts a browser lets read the answers. Empty: no CORS at all.
        admin: Off where nobody uses it: then /admin/ is a path like any other that is not there.
        api_auth: Whether every request of the API needs a key.
        api_auth_also: What else does then: `metrics`, `docs`.
    """

    debug: bool
    allowed_hosts: list[str]
    secure_cookies: bool
    csrf_trusted_origins: list[str]
    cors_allowed_origins: list[str]
    middleware: list[str]
    admin: bool
    max_body_bytes: int
    downstreams: Downstreams
    fastpath: str
    api_auth: bool
    api_auth_also: list[str]


def web(env: Env) -> Web:
    """The settings of every service with HTTP that are the environment's alone."""
    origins = environment.origins(env, "CORS_ALLOWED_ORIGINS")
    # On only behind a proxy that sets X-Forwarded-Prefix, or takes it out, in every request.
    forwarded_prefix = env.bool("FORWARDED_PREFIX", default=False)
    hosts: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
    return Web(
        debug=env.bool("DEBUG", default=False),
        allowed_hosts=hosts,
        secure_cookies=env.bool("SECURE_COOKIES", default=False),
        csrf_trusted_origins=env.list("CSRF_TRUSTED_ORIGINS", default=[]),
        cors_allowed_origins=origins,
        middleware=middleware(cors_origins=origins, forwarded_prefix=forwarded_prefix),
        admin=env.bool("ADMIN", default=True),
        max_body_bytes=env.int("MAX_BODY_BYTES", default=DEFAULT_MAX_BODY_BYTES),
        downstreams=downstreams(env),
        fastpath=fastpath(env),
        api_auth=api_auth(env, allowed_hosts=hosts),
        api_auth_also=api_auth_also(env),
    )


def admission(
    env: Env, *, at_once: int, wait_s: float, database: Mapping[str, Any], reads: tuple[str, ...]
) -> Admission:
    """`ADMISSION`, from the number of threads that the server was started with.

    Args:
        at_once: How many find work for a database server. On SQLite it is one, unless the environment says otherwise:
            there is one writer at a time, and threads that compute only take the interpreter from each other.
        database: The service's entry in `DATABASES`.
        reads: Patterns of the lists' paths; these have slots of their own, a quarter as many.
    """
    usual = 1 if database["ENGINE"] == environment.OUR_SQLITE else at_once
    at_once = env.int("REQUESTS_AT_ONCE", default=usual, validate=validate.Range(1))
    reads_at_once = env.int("READS_AT_ONCE", default=max(1, at_once // 4), validate=validate.Range(1))
    threads: int = env.int("SERVER_THREADS", default=_SERVER_THREADS)
    wait_s = env.float("REQUEST_WAIT_S", default=wait_s, validate=validate.Range(0))
    limit_s: float = env.float("DB_STATEMENT_TIMEOUT_S", default=databases.STATEMENT_TIMEOUT_S)
    return Admission(
        at_once, max(at_once, threads - _SPARE_THREADS), wait_s, reads, reads_at_once, read_limit_s=limit_s or None
    )


def downstreams(env: Env) -> Downstreams:
    """`DOWNSTREAMS`. One order fails three times at most, so one that is out of luck opens nothing.

    A third of the threads for a peer: two that hang still leave a third for requests which need neither.
    """
    failures = env.int("BREAKER_FAILURES", default=10, validate=validate.Range(1))
    open_s = env.float("BREAKER_OPEN_S", default=2.0, validate=validate.Range(0))
    calls = env.int("DOWNSTREAM_CALLS", default=40, validate=validate.Range(1))
    return Downstreams(BreakerPolicy(failures, _BREAKER_WITHIN_S, open_s), calls)


def metrics_directory(env: Env) -> str:
    """`PROMETHEUS_MULTIPROC_DIR`: where processes of one service count together; made where it is not there yet.

    `prometheus_client` looks for the variable itself when it is imported, which is after the settings, and takes an
    empty one for a directory.
    """
    path: str = env.str("PROMETHEUS_MULTIPROC_DIR", default="")
    if path:
        Path(path).mkdir(parents=True, exist_ok=True)
    else:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    return path


def logging(env: Env, *, service: str) -> None:
    """Set up the logs, by `LOG_LEVEL` and `LOG_JSON`."""
    level = env.str("LOG_LEVEL", default="INFO").upper()
    logs.configure(service=service, level=level, as_json=env.bool("LOG_JSON", default=True))


def consumed_kept_days(env: Env) -> float:
    """`CONSUMED_KEPT_DAYS`: how long it is remembered which events were consumed.

    A broker keeps messages for 7 days unless it is told otherwise, and gives all of them again to a group that starts
    anew: twice that.
    """
    return env.float("CONSUMED_KEPT_DAYS", default=14.0)


def secret_key(env: Env) -> str:
    """`SECRET_KEY`, or a fresh one per process: enough for the API, admin sessions then end with the process."""
    return environment.secret(env, "SECRET_KEY") or get_random_secret_key()


def server_host(env: Env) -> str:
    """`SERVER_HOST`: the address at which a server listens, and a worker that answers for itself."""
    return env.str("SERVER_HOST", default="127.0.0.1")


def api_auth(env: Env, *, allowed_hosts: Sequence[str]) -> bool:
    """`API_AUTH`: whether every request of the API needs a key. Not said: where others than this machine are served.

    That is so also where the server listens to them (`SERVER_HOST`): what stands in `Host` is theirs to say.
    """
    said: str = env.str("API_AUTH", default="").strip().lower()
    if said not in ("", "on", "off"):
        raise EnvError(f'Environment variable "API_AUTH" must be on or off, not {said!r}')
    return said == "on" or (said == "" and not only_this_machine([*allowed_hosts, server_host(env)]))


def api_auth_also(env: Env) -> list[str]:
    """`API_AUTH_ALSO`: what of `metrics` and `docs` needs a key where the API does."""
    given: list[str] = env.list("API_AUTH_ALSO", default=[])
    said = [name.strip().lower() for name in given if name.strip()]
    if unknown := sorted(set(said) - {"metrics", "docs"}):
        raise EnvError(f'Environment variable "API_AUTH_ALSO" may have metrics and docs, not {unknown[0]!r}')
    return said


def only_this_machine(hosts: Sequence[str]) -> bool:
    """Whether all of these, as `ALLOWED_HOSTS` or an address to listen at, mean this machine."""
    return all(map(_is_loopback, hosts))


def _is_loopback(host: str) -> bool:
    """A host as Django's `ALLOWED_HOSTS` names it."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def fastpath(env: Env) -> str:
    """`FASTPATH`: on, off, or all-but:NAME,NAME (`servicekit.fastpath` knows the names)."""
    said: str = env.str("FASTPATH", default="on")
    return said.strip().lower()


def spectacular(*, title: str, description: str) -> dict[str, Any]:
    """`SPECTACULAR_SETTINGS`: the documentation is served from the package, without a network."""
    return {
        "TITLE": title,
        "DESCRIPTION": description,
        "VERSION": VERSION,
        "SERVE_INCLUDE_SCHEMA": False,
        "SWAGGER_UI_DIST": "SIDECAR",
        "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
        "REDOC_DIST": "SIDECAR",
        "COMPONENT_SPLIT_REQUEST": True,
        "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
        "POSTPROCESSING_HOOKS": [
            "drf_spectacular.hooks.postprocess_schema_enums",
            "servicekit.web.openapi.complete",
        ],
    }
