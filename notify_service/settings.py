"""Settings of the notify service. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from servicekit.settings import base, common, kafka, traces
from servicekit.settings import env as environment
from servicekit.settings.common import *  # noqa: F403 - settings, and Django has no other way to take them from a module

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "notify_service"
SECRET_KEY = base.secret_key(env)  # signs nothing: there is no HTTP
DEBUG = False
API_AUTH_ALSO: list[str] = []
# Nobody is let in, so there is no table of keys, either.
REST_FRAMEWORK = {**common.REST_FRAMEWORK, "DEFAULT_PERMISSION_CLASSES": []}

INSTALLED_APPS = ["servicekit.inbox", "notify_service.mailing"]
# W020 looks for what protects an HTTP service, which this is not.
SILENCED_SYSTEM_CHECKS = [*common.SILENCED_SYSTEM_CHECKS, "security.W020"]

DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3")}
# The table without which a database of this service has nothing to lose.
MAIN_TABLE = "mailing_mail"

METRICS_DIRECTORY = base.metrics_directory(env)
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
