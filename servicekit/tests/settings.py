"""A service with nothing of its own: what the plumbing needs to be tested by itself."""

import os
import tempfile
from pathlib import Path

from environs import Env

from servicekit.observability import logs
from servicekit.settings import base, kafka, webhooks
from servicekit.settings import env as environment
from servicekit.settings.common import *  # noqa: F403 - as each service does

SERVICE_NAME = "servicekit"
SECRET_KEY = base.secret_key(Env())
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]

INSTALLED_APPS = [*base.APPS, "servicekit.inbox", "servicekit.webhooks", "servicekit.tests"]
CORS_ALLOWED_ORIGINS = ["https://shop.example.org"]
MIDDLEWARE = base.middleware(cors_origins=[], forwarded_prefix=True)
ROOT_URLCONF = "servicekit.tests.urls"
ADMIN = True

# A file, as in production: SQLite in memory knows no waiting for a lock, so threads could not be tested.
TEST_DATABASE = Path(tempfile.gettempdir()) / f"servicekit-tests-{os.getpid()}.sqlite3"
DATABASES = {"default": environment.database(Env(), default_sqlite=TEST_DATABASE)}
if Env().str("DB_ENGINE", default=environment.SQLITE) == environment.SQLITE:
    DATABASES["default"]["TEST"] = {"NAME": TEST_DATABASE}
else:
    DATABASES["default"]["NAME"] = SERVICE_NAME
HERE = Path(__file__).resolve().parent
MAIN_TABLE = "tests_sample"

# Small, so that a test of the limit need not send a megabyte.
MAX_BODY_BYTES = 1_000
# Two, so that a test can have a request stand still while another comes.
ADMISSION = base.Admission(at_once=2, in_flight=120, wait_s=1.0)
DOWNSTREAMS = base.downstreams(Env())
HTTP_CONNECT_TIMEOUT_S = 1.0
HTTP_READ_TIMEOUT_S = 3.5
FASTPATH = base.fastpath(Env())
API_AUTH = False
API_AUTH_ALSO: list[str] = []
TRACES = False
CONSOLE_URL = "http://localhost:8003/"
METRICS_DIRECTORY = base.metrics_directory(Env())
SERVER_HOST = "127.0.0.1"
SPECTACULAR_SETTINGS = base.spectacular(title="servicekit", description="Only for its own tests.")

logs.configure(service=SERVICE_NAME, level="INFO", as_json=True)

KAFKA = kafka.settings(Env(), topic="events")
CONSUMED_KEPT_DAYS = 14.0

# The real one takes a tenth of a second on purpose, for each user that a test makes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

WEBHOOKS = webhooks.settings(Env())
EVENT_PAYLOADS = "servicekit.tests.publishing.PAYLOADS"
