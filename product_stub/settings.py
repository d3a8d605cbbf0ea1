"""Settings of the product stub. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from environs import validate

from servicekit.observability import logs
from servicekit.settings import base
from servicekit.settings import env as environment

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "product_stub"
SECRET_KEY = base.secret_key(env)
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# Only the admin has cookies. On wherever it is reached over https; off lets it be tried on http://localhost.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=False)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SILENCED_SYSTEM_CHECKS = list(base.SILENCED_CHECKS)

INSTALLED_APPS = [app for app in base.APPS if app != "servicekit.events"] + ["product_stub.catalog"]
# Origins whose scripts a browser lets read the answers. Empty: no CORS at all.
CORS_ALLOWED_ORIGINS = environment.origins(env, "CORS_ALLOWED_ORIGINS")
CORS_ALLOW_HEADERS, CORS_EXPOSE_HEADERS = base.CORS_ALLOW_HEADERS, base.CORS_EXPOSE_HEADERS
CORS_URLS_REGEX = base.CORS_URLS_REGEX
# On only behind a proxy that sets X-Forwarded-Prefix, or takes it out, in every request.
FORWARDED_PREFIX = env.bool("FORWARDED_PREFIX", default=False)
MIDDLEWARE = base.middleware(cors_origins=CORS_ALLOWED_ORIGINS, forwarded_prefix=FORWARDED_PREFIX)
ROOT_URLCONF = "product_stub.urls"
WSGI_APPLICATION = "product_stub.wsgi.application"
# Off where nobody uses it: then /admin/ is a path like any other that is not there.
ADMIN = env.bool("ADMIN", default=True)
AUTHENTICATION_BACKENDS = base.AUTHENTICATION_BACKENDS
CSRF_FAILURE_VIEW = "servicekit.web.error_responses.csrf_failed"
APPEND_SLASH = False  # a redirect would lose the body of a POST; every route takes both forms
TEMPLATES = base.templates()
STATIC_URL = "/static/"
STORAGES = base.STORAGES
WHITENOISE_USE_FINDERS = True

# NORMAL: a power cut may cost the stub its last moments. Its callers repeat what they are not sure of.
DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3")}
# The table without which a database of this service has nothing to lose.
BOOKS = "catalog_reservation"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=base.DEFAULT_MAX_BODY_BYTES)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# All work and short: more at once only take turns. Measured.
ADMISSION = base.admission(env, at_once=2, wait_s=1.5, database=DATABASES["default"], reads=("/api/products",))
METRICS_DIRECTORY = base.metrics_directory(env)
DOWNSTREAMS = base.downstreams(env)
FASTPATH = base.fastpath(env)
REST_FRAMEWORK = base.rest_framework()
SPECTACULAR_SETTINGS = base.spectacular(
    title="Product stub",
    description="A catalogue with stock, and reservations of it keyed by the caller's own id.",
)

LOGGING_CONFIG = None
logs.configure(
    service=SERVICE_NAME, level=env.str("LOG_LEVEL", default="INFO").upper(), as_json=env.bool("LOG_JSON", default=True)
)

# ---- the order service, which knows who needs what is reserved
# Not set, and nobody there: the stub is used by itself, and whatever it is told to release it does.
ORDER_SERVICE_IS_NAMED = bool(env.str("ORDER_SERVICE_URL", default=""))
ORDER_SERVICE_URL = environment.service_url(env, "ORDER_SERVICE_URL", default="http://localhost:8000/api/orders/")
HTTP_CONNECT_TIMEOUT_S = env.float("HTTP_CONNECT_TIMEOUT_S", default=0.5)
HTTP_READ_TIMEOUT_S = env.float("HTTP_READ_TIMEOUT_S", default=1.0)
# Seconds. What is held for longer goes back, unless it belongs to an order that needs it. As long as an order waits.
RESERVATION_EXPIRES_AFTER_S = env.float(
    "RESERVATION_EXPIRES_AFTER_S", default=900.0, validate=validate.Range(0, min_inclusive=False)
)
