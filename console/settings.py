"""Settings of the console. The only module that reads its environment; see .env.example for every variable."""

from pathlib import Path

from environs import EnvError

from console.pages import users
from servicekit.settings import base
from servicekit.settings import env as environment

HERE = Path(__file__).resolve().parent
env = environment.read(HERE)

SERVICE_NAME = "console"
# Its own calls begin no trace; those of the services do.
TRACES = False
SECRET_KEY = base.secret_key(env)
INSTALLED_APPS = ["django.contrib.staticfiles", "console.pages"]
# None: all that is shown is asked for, through the services' public APIs.
DATABASES: dict[str, dict[str, str]] = {}

_web = base.web(env)
DEBUG, ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS = _web.debug, _web.allowed_hosts, _web.csrf_trusted_origins
CORS_ALLOWED_ORIGINS: list[str] = []
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = _web.max_body_bytes
MIDDLEWARE = [
    "servicekit.web.middleware.RequestMiddleware",
    "servicekit.web.middleware.LimitsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "console.pages.middleware.SafetyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "console.pages.middleware.SignedInMiddleware",
]
ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "console.pages.middleware.every_page",
            ]
        },
    }
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LOGGING_CONFIG = None  # `base.logging` sets it up
CSRF_FAILURE_VIEW = "console.pages.views.problems.csrf_failed"
# Who is signed in, and nothing else: signed, in the cookie itself.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "console", "console_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _web.secure_cookies
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
# `check --deploy`: HSTS and https are the proxy's, where TLS ends; the policy of content is SafetyMiddleware's.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W004", "security.W008"]
base.logging(env, service=SERVICE_NAME)

# ---- who may come in
_said = env.str("CONSOLE_AUTH", default="").strip().lower()
if _said not in ("", "on", "off"):
    raise EnvError(f'Environment variable "CONSOLE_AUTH" must be on or off, not {_said!r}')
_listens_at = env.str("SERVER_HOST", default="localhost")
# Not said: on wherever others than this machine are served.
CONSOLE_AUTH = _said == "on" or (_said == "" and not base.only_this_machine([*ALLOWED_HOSTS, _listens_at]))
# `name:hash`, one a line or separated by commas; `manage.py user NAME` makes one.
CONSOLE_USERS = users.read(environment.secret(env, "CONSOLE_USERS"))
if CONSOLE_AUTH and not CONSOLE_USERS:
    raise EnvError(
        'Environment variable "CONSOLE_USERS" (or "CONSOLE_USERS_FILE") must name who may sign in: '
        "python console/manage.py user NAME makes a line for it. Or say CONSOLE_AUTH=off: then everybody who reaches "
        "the console may do all that its keys may."
    )

# ---- the services, and what they know the console by
ORDER_SERVICE_URL = environment.service_url(env, "ORDER_SERVICE_URL", default="http://localhost:8000/api/orders/")
PAYMENT_SERVICE_URL = environment.service_url(env, "PAYMENT_SERVICE_URL", default="http://localhost:8002/api/payments/")
PRODUCT_SERVICE_URL = environment.service_url(env, "PRODUCT_SERVICE_URL", default="http://localhost:8001/api/products/")
ORDER_SERVICE_KEY = environment.peer_key(env, "ORDER_SERVICE_KEY")
PAYMENT_SERVICE_KEY = environment.peer_key(env, "PAYMENT_SERVICE_KEY")
PRODUCT_SERVICE_KEY = environment.peer_key(env, "PRODUCT_SERVICE_KEY")
# Empty: nobody says what was mailed, and the story of an order says that.
NOTIFY_URL = env.str("NOTIFY_URL", default="") and environment.service_url(env, "NOTIFY_URL", default="")
NOTIFY_KEY = environment.peer_key(env, "NOTIFY_KEY")
# Seconds between two looks at the services' metrics, and for how many seconds the charts go back.
SAMPLE_EVERY_S = env.float("SAMPLE_EVERY_S", default=5.0)
SAMPLES_KEPT_S = env.float("SAMPLES_KEPT_S", default=1800.0)
