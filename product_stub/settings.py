"""Settings of the product stub. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from environs import validate

from servicekit.settings import base, traces
from servicekit.settings import env as environment
from servicekit.settings.common import *  # noqa: F403 - settings, and Django has no other way to take them from a module

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "product_stub"
SECRET_KEY = base.secret_key(env)
INSTALLED_APPS = [app for app in base.APPS if app != "servicekit.events"] + ["product_stub.catalog"]
# What the environment says of every service with HTTP; `servicekit/settings/base.py` has the defaults.
_web = base.web(env)
DEBUG, ADMIN, FASTPATH, DOWNSTREAMS = _web.debug, _web.admin, _web.fastpath, _web.downstreams
ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS = _web.allowed_hosts, _web.csrf_trusted_origins
API_AUTH, API_AUTH_ALSO = _web.api_auth, _web.api_auth_also
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _web.secure_cookies
CORS_ALLOWED_ORIGINS, MIDDLEWARE = _web.cors_allowed_origins, _web.middleware
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = _web.max_body_bytes
ROOT_URLCONF = "product_stub.urls"
WSGI_APPLICATION = "product_stub.wsgi.application"

# NORMAL: a power cut may cost the stub its last moments. Its callers repeat what they are not sure of.
DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3")}
# The table without which a database of this service has nothing to lose.
MAIN_TABLE = "catalog_reservation"
# All work and short: more at once only take turns. Measured.
ADMISSION = base.admission(
    env, at_once=2, wait_s=1.5, database=DATABASES["default"], reads=("/api/products", "/api/invariants")
)
METRICS_DIRECTORY = base.metrics_directory(env)
SERVER_HOST = base.server_host(env)
SPECTACULAR_SETTINGS = base.spectacular(
    title="Product stub",
    description="A catalogue with stock, and reservations of it keyed by the caller's own id.",
)

TRACES = traces.are_on(env)
base.logging(env, service=SERVICE_NAME)

# ---- the order service, which knows who needs what is reserved
# Not set, and nobody there: the stub is used by itself, and whatever it is told to release it does.
ORDER_SERVICE_IS_NAMED = bool(env.str("ORDER_SERVICE_URL", default=""))
ORDER_SERVICE_URL = environment.service_url(env, "ORDER_SERVICE_URL", default="http://localhost:8000/api/orders/")
# What it knows us by, where it takes keys; may be in a file, which is read again when it changes.
ORDER_SERVICE_KEY = environment.peer_key(env, "ORDER_SERVICE_KEY")
HTTP_CONNECT_TIMEOUT_S = env.float("HTTP_CONNECT_TIMEOUT_S", default=0.5)
HTTP_READ_TIMEOUT_S = env.float("HTTP_READ_TIMEOUT_S", default=1.0)
# Seconds. What is held for longer goes back, unless it belongs to an order that needs it. As long as an order waits.
RESERVATION_EXPIRES_AFTER_S = env.float(
    "RESERVATION_EXPIRES_AFTER_S", default=900.0, validate=validate.Range(0, min_inclusive=False)
)
