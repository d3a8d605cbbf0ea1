"""Settings of the notify service. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from servicekit.settings import base, kafka, traces
from servicekit.settings import env as environment
from servicekit.settings.common import *  # noqa: F403 - settings, and Django has no other way to take them from a module

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "notify_service"
SECRET_KEY = base.secret_key(env)
# Publishes no events, does nothing that a client could ask for twice, and has nothing hot (docs/adr/0026).
_NOT_ITS_OWN = ("servicekit.events", "servicekit.idempotency", "servicekit.fastpath")
INSTALLED_APPS = [app for app in base.APPS if app not in _NOT_ITS_OWN] + ["servicekit.inbox", "notify_service.mailing"]
# What the environment says of every service with HTTP; `servicekit/settings/base.py` has the defaults.
_web = base.web(env)
DEBUG, ADMIN, DOWNSTREAMS = _web.debug, _web.admin, _web.downstreams
ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS = _web.allowed_hosts, _web.csrf_trusted_origins
API_AUTH, API_AUTH_ALSO = _web.api_auth, _web.api_auth_also
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _web.secure_cookies
CORS_ALLOWED_ORIGINS, MIDDLEWARE = _web.cors_allowed_origins, _web.middleware
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = _web.max_body_bytes
ROOT_URLCONF = "notify_service.urls"
WSGI_APPLICATION = "notify_service.wsgi.application"

DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3")}
# The table without which a database of this service has nothing to lose.
MAIN_TABLE = "mailing_mail"
ADMISSION = base.admission(env, at_once=2, wait_s=1.5, database=DATABASES["default"], reads=("/api/mails",))

METRICS_DIRECTORY = base.metrics_directory(env)
SERVER_HOST = base.server_host(env)
SPECTACULAR_SETTINGS = base.spectacular(
    title="Notify service",
    description="Which mails about an order's payment were sent, wait, or were given up. Only to be read.",
)
TRACES = traces.are_on(env)
base.logging(env, service=SERVICE_NAME)

# ---- events
KAFKA = kafka.settings(env, topic="payments")
CONSUMED_KEPT_DAYS = base.consumed_kept_days(env)

# ---- mail
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = environment.secret(env, "EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
# Seconds that each step of talking to the mail server may take.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="Shop <shop@localhost>")
# Orders have no address, so all mails go to these.
MAIL_TO: list[str] = env.list("MAIL_TO", default=["orders@localhost"])
# Seconds. A process that has not sent a mail for this long has lost it to the next one; above EMAIL_TIMEOUT several
# times, because a mail takes several steps.
MAIL_LEASE_S = env.float("MAIL_LEASE_S", default=120.0)
