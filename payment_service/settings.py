"""Settings of the payment service. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from servicekit import conf, logs
from servicekit import env as environment

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "payment_service"
SECRET_KEY = conf.secret_key(env)
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [*conf.APPS, "payment_service.payments"]
MIDDLEWARE = list(conf.MIDDLEWARE)
ROOT_URLCONF = "payment_service.urls"
WSGI_APPLICATION = "payment_service.wsgi.application"
CSRF_FAILURE_VIEW = "servicekit.answers.csrf_failed"
APPEND_SLASH = False  # a redirect would lose the body of a POST; every route takes both forms
TEMPLATES = conf.templates()
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=conf.DEFAULT_MAX_BODY_BYTES)
REST_FRAMEWORK = conf.rest_framework()
SPECTACULAR_SETTINGS = conf.spectacular(
    title="Payment service",
    description="A payment ledger: one payment per order, whichever door it comes through.",
)

LOGGING_CONFIG = None
logs.configure(
    service=SERVICE_NAME, level=env.str("LOG_LEVEL", default="INFO").upper(), as_json=env.bool("LOG_JSON", default=True)
)
