"""Settings of the payment service. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from environs import validate

from payment_service.payments import states
from servicekit.observability import logs
from servicekit.settings import base, databases, kafka
from servicekit.settings import env as environment

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "payment_service"
SECRET_KEY = base.secret_key(env)
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# Only the admin has cookies. On wherever it is reached over https; off lets it be tried on http://localhost.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=False)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SILENCED_SYSTEM_CHECKS = list(base.SILENCED_CHECKS)

INSTALLED_APPS = [*base.APPS, "payment_service.payments", "payment_service.bank"]
# Origins whose scripts a browser lets read the answers. Empty: no CORS at all.
CORS_ALLOWED_ORIGINS = environment.origins(env, "CORS_ALLOWED_ORIGINS")
CORS_ALLOW_HEADERS, CORS_EXPOSE_HEADERS = base.CORS_ALLOW_HEADERS, base.CORS_EXPOSE_HEADERS
CORS_URLS_REGEX = base.CORS_URLS_REGEX
# On only behind a proxy that sets X-Forwarded-Prefix, or takes it out, in every request.
FORWARDED_PREFIX = env.bool("FORWARDED_PREFIX", default=False)
MIDDLEWARE = base.middleware(cors_origins=CORS_ALLOWED_ORIGINS, forwarded_prefix=FORWARDED_PREFIX)
ROOT_URLCONF = "payment_service.urls"
WSGI_APPLICATION = "payment_service.wsgi.application"
# Off where nobody uses it: then /admin/ is a path like any other that is not there.
ADMIN = env.bool("ADMIN", default=True)
AUTHENTICATION_BACKENDS = base.AUTHENTICATION_BACKENDS
CSRF_FAILURE_VIEW = "servicekit.web.error_responses.csrf_failed"
APPEND_SLASH = False  # a redirect would lose the body of a POST; every route takes both forms
TEMPLATES = base.templates()
STATIC_URL = "/static/"
STORAGES = base.STORAGES
WHITENOISE_USE_FINDERS = True

# Where no DB_* is set: the variables of seed 003, whose clients have the door `charges`, with its values.
_MYSQL = environment.OtherNames(
    engine=databases.MYSQL,
    variables={
        "NAME": "MYSQL_DB",
        "USER": "MYSQL_USER",
        "PASSWORD": "MYSQL_PASSWORD",
        "HOST": "MYSQL_HOST",
        "PORT": "MYSQL_PORT",
    },
    defaults={"NAME": "ecommerce", "USER": "root", "HOST": "127.0.0.1"},
)
DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3", also=_MYSQL)}
# The table without which a database of this service has nothing to lose.
BOOKS = "payments_payment"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=base.DEFAULT_MAX_BODY_BYTES)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# A charge without a gateway is all work; some more than processors, for those who wait for the disk. Measured.
ADMISSION = base.admission(env, at_once=4, wait_s=1.5, database=DATABASES["default"], reads=("/v1/payments",))
METRICS_DIRECTORY = base.metrics_directory(env)
DOWNSTREAMS = base.downstreams(env)
FASTPATH = base.fastpath(env)
REST_FRAMEWORK = base.rest_framework()
SPECTACULAR_SETTINGS = base.spectacular(
    title="Payment service",
    description="A payment ledger: one payment per order, whichever door it comes through.",
)
SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"] = {
    "PaymentsStatus": sorted(set(states.PAYMENTS_NAMES.values())),
    "ChargesStatus": sorted(set(states.CHARGES_NAMES.values())),
    "ProcessStatus": sorted(set(states.PROCESS_NAMES.values())),
    "ProcessRefundStatus": sorted(status.value.lower() for status in states.RefundStatus),
}

LOGGING_CONFIG = None
logs.configure(
    service=SERVICE_NAME, level=env.str("LOG_LEVEL", default="INFO").upper(), as_json=env.bool("LOG_JSON", default=True)
)

# ---- events
# Where the relay publishes them. Without KAFKA_BOOTSTRAP_SERVERS they go to the log.
KAFKA = kafka.settings(env, topic="payments")

# ---- payments
# Payment method -> gateway. `PAYMENT_GATEWAYS=CARD=direct,UPI=direct` in the environment overrides single lines.
# What a charge goes by that names no method: without a token, and with one, which is a card's.
DEFAULT_PAYMENT_METHOD = "DIRECT"
CARD_PAYMENT_METHOD = "CARD"
STRIPE_API_KEY = environment.secret(env, "STRIPE_API_KEY")
# Another server than Stripe's own, for tests.
STRIPE_API_URL = env.str("STRIPE_API_URL", default="")
PAYMENT_GATEWAYS = {
    "DIRECT": "direct",
    "CARD": "simulated",
    "UPI": "simulated",
    "COD": "simulated",
    "CREDIT_CARD": "simulated",
    "DEBIT_CARD": "simulated",
    "PAYPAL": "simulated",
    "STRIPE": "stripe" if STRIPE_API_KEY else "simulated",
    **env.dict("PAYMENT_GATEWAYS", default={}),
}
# Once a gateway is configured that takes real money, methods of those that take none are refused. On: they are not.
TEST_PAYMENTS = env.bool("TEST_PAYMENTS", default=False)
DEFAULT_CURRENCY = "USD"
# Seconds. A request or worker that waits longer than this for a gateway has lost its payment to the next worker; above
# every gateway's own time-out.
PAYMENT_LEASE_S = env.float("PAYMENT_LEASE_S", default=30.0)
# A charge that was to be voided, and that its gateway has not seen this long after it was asked for, never happened.
PAYMENT_SETTLE_S = env.float("PAYMENT_SETTLE_S", default=120.0)

# ---- the simulated gateway
GATEWAY_SUCCESS_RATE = env.float("GATEWAY_SUCCESS_RATE", default=0.95, validate=validate.Range(0, 1))
# The shortest and the longest time that an answer takes, in milliseconds: "20-80".
GATEWAY_DELAY_S = environment.milliseconds(env, "GATEWAY_DELAY_MS", default="20-80")
# The same seed draws the same outcome for the same key. Empty: another one in each process.
GATEWAY_SEED = env.str("GATEWAY_SEED", default="") or None
# Seconds that any gateway's answer is waited for; less than what the order service waits for ours.
GATEWAY_TIMEOUT_S = env.float("GATEWAY_TIMEOUT_S", default=3.0)
# Seconds after which a slow answer (tok_slow) can be found out; more than the above.
GATEWAY_SLOW_S = env.float("GATEWAY_SLOW_S", default=6.0)

# ---- the order service, for those who pay through this one
ORDER_SERVICE_URL = environment.service_url(env, "ORDER_SERVICE_URL", default="http://localhost:8000/api/orders/")
# Whether it is told of captures that it did not ask for itself, and of refunds. Off where there is none.
ORDER_NOTICES = env.bool("ORDER_NOTICES", default=True)
# Seconds. The deadline bounds one question to it, retries included.
HTTP_CONNECT_TIMEOUT_S = env.float("HTTP_CONNECT_TIMEOUT_S", default=1.0)
HTTP_READ_TIMEOUT_S = env.float("HTTP_READ_TIMEOUT_S", default=5.0)
ORDER_DEADLINE_S = env.float("ORDER_DEADLINE_S", default=5.0)
