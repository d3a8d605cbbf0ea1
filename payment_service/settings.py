"""Settings of the payment service. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from environs import validate

from payment_service.payments import states
from servicekit.settings import base, databases, kafka, traces, webhooks
from servicekit.settings import env as environment
from servicekit.settings.common import *  # noqa: F403 - settings, and Django has no other way to take them from a module

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "payment_service"
SECRET_KEY = base.secret_key(env)
INSTALLED_APPS = [*base.APPS, "servicekit.webhooks", "payment_service.payments", "payment_service.bank"]
# What the environment says of every service with HTTP; `servicekit/settings/base.py` has the defaults.
_web = base.web(env)
DEBUG, ADMIN, FASTPATH, DOWNSTREAMS = _web.debug, _web.admin, _web.fastpath, _web.downstreams
ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS = _web.allowed_hosts, _web.csrf_trusted_origins
API_AUTH, API_AUTH_ALSO = _web.api_auth, _web.api_auth_also
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _web.secure_cookies
CORS_ALLOWED_ORIGINS, MIDDLEWARE = _web.cors_allowed_origins, _web.middleware
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = _web.max_body_bytes
ROOT_URLCONF = "payment_service.urls"
WSGI_APPLICATION = "payment_service.wsgi.application"

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
MAIN_TABLE = "payments_payment"
# A charge without a gateway is all work; some more than processors, for those who wait for the disk. Measured.
ADMISSION = base.admission(
    env,
    at_once=4,
    wait_s=1.5,
    database=DATABASES["default"],
    reads=(
        "/v1/payments",
        "/api/v1/payments/(blocked|payment/[^/]+/(events|progress))",
        "/api/(invariants|dead-letters)",
        *webhooks.LISTS,
    ),
)
METRICS_DIRECTORY = base.metrics_directory(env)
SERVER_HOST = base.server_host(env)
SPECTACULAR_SETTINGS = base.spectacular(
    title="Payment service",
    description="A payment ledger: one payment per order, whichever door it comes through.",
)
SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"] = {
    "PaymentsStatus": sorted(set(states.PAYMENTS_NAMES.values())),
    "ChargesStatus": sorted(set(states.CHARGES_NAMES.values())),
    "ProcessStatus": sorted(set(states.PROCESS_NAMES.values())),
    "OperationEnum": [operation.value for operation in states.Operation],
    "ProcessRefundStatus": sorted(status.value.lower() for status in states.RefundStatus),
}

TRACES = traces.are_on(env)
base.logging(env, service=SERVICE_NAME)

# ---- events
# Where the relay publishes them. Without KAFKA_BOOTSTRAP_SERVERS they go to the log.
KAFKA = kafka.settings(env, topic="payments")

# ---- webhooks, and the mails that tell of one that was disabled
WEBHOOKS = webhooks.settings(env)
# The types of events that there are to be asked for.
EVENT_PAYLOADS = "payment_service.payments.events.PAYLOADS"
_mail = webhooks.mail(env)
EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _mail.backend, _mail.host, _mail.port, _mail.timeout_s
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS = _mail.user, _mail.password, _mail.use_tls
DEFAULT_FROM_EMAIL = _mail.sender

# ---- payments
# Payment method -> gateway. `PAYMENT_GATEWAYS=CARD=direct,UPI=direct` in the environment overrides single lines.
# What a charge goes by that names no method: without a token, and with one, which is a card's.
DEFAULT_PAYMENT_METHOD = "DIRECT"
CARD_PAYMENT_METHOD = "CARD"
STRIPE_API_KEY = environment.secret(env, "STRIPE_API_KEY")
# What Stripe signs with what it tells by itself; two, with a comma between, while one takes the other's place.
STRIPE_WEBHOOK_SECRETS = [
    each.strip() for each in environment.secret(env, "STRIPE_WEBHOOK_SECRET").split(",") if each.strip()
]
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
# Seconds that a payer has to confirm a payment at its gateway; no longer than an order keeps its stock for it
# (ORDER_EXPIRES_AFTER_S of the order service).
PAYMENT_ACTION_EXPIRES_S = env.float(
    "PAYMENT_ACTION_EXPIRES_S", default=900.0, validate=validate.Range(0, min_inclusive=False)
)
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

# Where payers find this service, to confirm a payment at the simulated bank's page.
GATEWAY_PAGE_URL = env.str("GATEWAY_PAGE_URL", default="http://localhost:8002/").rstrip("/") + "/bank/confirm/"

# Where the page is, for links to it from the admin.
CONSOLE_URL = env.str("CONSOLE_URL", default="http://localhost:8003/")
# Where payers go when they have confirmed a payment, or not; {order_id} stands for their order's.
PAYMENT_RETURN_URL = env.str("PAYMENT_RETURN_URL", default=CONSOLE_URL.rstrip("/") + "/shop/orders/{order_id}/")

# ---- the order service, for those who pay through this one
ORDER_SERVICE_URL = environment.service_url(env, "ORDER_SERVICE_URL", default="http://localhost:8000/api/orders/")
# What it knows us by, where it takes keys; may be in a file, which is read again when it changes.
ORDER_SERVICE_KEY = environment.peer_key(env, "ORDER_SERVICE_KEY")
# Whether it is told of captures that it did not ask for itself, and of refunds. Off where there is none.
ORDER_NOTICES = env.bool("ORDER_NOTICES", default=True)
# Seconds. The deadline bounds one question to it, retries included.
HTTP_CONNECT_TIMEOUT_S = env.float("HTTP_CONNECT_TIMEOUT_S", default=1.0)
HTTP_READ_TIMEOUT_S = env.float("HTTP_READ_TIMEOUT_S", default=5.0)
ORDER_DEADLINE_S = env.float("ORDER_DEADLINE_S", default=5.0)
