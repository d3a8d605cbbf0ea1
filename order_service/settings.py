"""Settings of the order service. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from servicekit.settings import base, databases, kafka, traces, webhooks
from servicekit.settings import env as environment
from servicekit.settings.common import *  # noqa: F403 - settings, and Django has no other way to take them from a module

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "order_service"
SECRET_KEY = base.secret_key(env)
INSTALLED_APPS = [*base.APPS, "servicekit.inbox", "servicekit.webhooks", "order_service.orders"]
# What the environment says of every service with HTTP; `servicekit/settings/base.py` has the defaults.
_web = base.web(env)
DEBUG, ADMIN, FASTPATH, DOWNSTREAMS = _web.debug, _web.admin, _web.fastpath, _web.downstreams
ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS = _web.allowed_hosts, _web.csrf_trusted_origins
API_AUTH, API_AUTH_ALSO = _web.api_auth, _web.api_auth_also
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _web.secure_cookies
CORS_ALLOWED_ORIGINS, MIDDLEWARE = _web.cors_allowed_origins, _web.middleware
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = _web.max_body_bytes
ROOT_URLCONF = "order_service.urls"
WSGI_APPLICATION = "order_service.wsgi.application"

# Where no DB_* is set: the variables by which seed 001 reached the orders, with its values.
_ORDER_DB = environment.OtherNames(
    engine=databases.POSTGRESQL,
    variables={
        "NAME": "ORDER_DB_NAME",
        "USER": "ORDER_DB_USER",
        "PASSWORD": "ORDER_DB_PASSWORD",
        "HOST": "ORDER_DB_HOST",
        "PORT": "ORDER_DB_PORT",
    },
    defaults={"NAME": "order_db", "USER": "order_user", "PASSWORD": "order_pass", "HOST": "order-db"},
)
DATABASES = {"default": environment.database(env, default_sqlite=HERE / "db.sqlite3", also=_ORDER_DB)}
# The table without which a database of this service has nothing to lose.
MAIN_TABLE = "orders_order"
# Most of an order's time is its calls', so more of them at once than there are processors; measured.
ADMISSION = base.admission(
    env,
    at_once=8,
    wait_s=2.5,
    database=DATABASES["default"],
    reads=(
        "/api/orders",
        "/api/orders/[^/]+/(events|progress)",
        "/api/(invariants|dead-letters|parked-messages)",
        *webhooks.LISTS,
    ),
)
METRICS_DIRECTORY = base.metrics_directory(env)
SERVER_HOST = base.server_host(env)
SPECTACULAR_SETTINGS = base.spectacular(
    title="Order service",
    description="Takes an order, reserves its stock, has it paid, and ends it PAID, or CANCELLED with a reason.",
)

TRACES = traces.are_on(env)
base.logging(env, service=SERVICE_NAME)

# ---- events
# Where the relay publishes them. Without KAFKA_BOOTSTRAP_SERVERS they go to the log.
KAFKA = kafka.settings(env, topic="orders")
# Where the payment service publishes: what consume_payments reads.
KAFKA_PAYMENTS_TOPIC = kafka.topic_name(env, "KAFKA_PAYMENTS_TOPIC", default="payments")
CONSUMED_KEPT_DAYS = base.consumed_kept_days(env)

# ---- webhooks, and the mails that tell of one that was disabled
WEBHOOKS = webhooks.settings(env)
# The types of events that there are to be asked for.
EVENT_PAYLOADS = "order_service.orders.events.PAYLOADS"
_mail = webhooks.mail(env)
EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _mail.backend, _mail.host, _mail.port, _mail.timeout_s
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS = _mail.user, _mail.password, _mail.use_tls
DEFAULT_FROM_EMAIL = _mail.sender

# ---- the services it talks to
PRODUCT_SERVICE_URL = environment.service_url(env, "PRODUCT_SERVICE_URL", default="http://localhost:8001/api/products/")
PAYMENT_SERVICE_URL = environment.service_url(env, "PAYMENT_SERVICE_URL", default="http://localhost:8002/api/payments/")
# What they know us by, where they take keys; each may be in a file, which is read again when it changes.
PRODUCT_SERVICE_KEY = environment.peer_key(env, "PRODUCT_SERVICE_KEY")
PAYMENT_SERVICE_KEY = environment.peer_key(env, "PAYMENT_SERVICE_KEY")
# Off: a product service that knows no reservations is only asked whether product and stock are there.
PRODUCT_RESERVATIONS = env.bool("PRODUCT_RESERVATIONS", default=True)

# The currencies in which the catalogue's prices may be meant; an order that names none is in the first.
ORDER_CURRENCIES = environment.currencies(env, "ORDER_CURRENCIES", default="USD")
# What the payment service means where it names none.
PAYMENT_SERVICE_CURRENCY = environment.currencies(env, "PAYMENT_SERVICE_CURRENCY", default="USD")[0]

# Seconds. A read time-out leaves room for three attempts within the order's deadline; that bounds everything from the
# first call to the answer, waits included, and fits into the 30 s that most HTTP clients wait.
HTTP_CONNECT_TIMEOUT_S = env.float("HTTP_CONNECT_TIMEOUT_S", default=1.0)
HTTP_READ_TIMEOUT_S = env.float("HTTP_READ_TIMEOUT_S", default=3.5)
PRODUCT_DEADLINE_S = env.float("PRODUCT_DEADLINE_S", default=5.0)
ORDER_DEADLINE_S = env.float("ORDER_DEADLINE_S", default=17.0)
# What an order may name as its payment method: those of the payment service's PAYMENT_GATEWAYS. Another one is refused
# before anything is stored, and nobody has to be asked for that.
PAYMENT_METHODS = frozenset(
    method.strip().upper()
    for method in env.list(
        "PAYMENT_METHODS",
        default=["DIRECT", "CARD", "UPI", "COD", "CREDIT_CARD", "DEBIT_CARD", "PAYPAL", "STRIPE"],
    )
)
# A payment is tried once and then this often again (seed 002).
PAYMENT_RETRIES = env.int("PAYMENT_RETRIES", default=2)

# Where the page is, for links to it from the admin.
CONSOLE_URL = env.str("CONSOLE_URL", default="http://localhost:8003/")

# ---- the order's life
# A request or worker that has not moved its order for this long has lost it to the next worker.
ORDER_LEASE_S = env.float("ORDER_LEASE_S", default=25.0)
# An unpaid order keeps its stock for a quarter of an hour.
ORDER_EXPIRES_AFTER_S = env.float("ORDER_EXPIRES_AFTER_S", default=900.0)
