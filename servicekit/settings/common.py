"""The settings that are the same in every service whatever its environment says: each `settings.py` imports them all.

What depends on the environment is in `base.py`, as functions: nothing is read from it when this is imported.
"""

from pathlib import Path

from corsheaders.defaults import default_headers

# `check --deploy` asks for HSTS (W004) and a redirect to https (W008): both are the business of the proxy where TLS
# ends. Behind it the services talk plain HTTP to each other, and a redirect would lose the body of a POST.
# W001 to W003 and E408 to E410 look for middleware by name in a list where they are within one of ours.
# models.W037: MySQL cannot index a part of the rows; it indexes all, which serves the same readers (docs/adr/0010).
SILENCED_SYSTEM_CHECKS = [
    "admin.E408",
    "admin.E409",
    "admin.E410",
    "security.W001",
    "security.W002",
    "security.W003",
    "security.W004",
    "security.W008",
    "models.W037",
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LOGGING_CONFIG = None  # `base.logging` sets it up

APPEND_SLASH = False  # a redirect would lose the body of a POST; every route takes both forms
AUTHENTICATION_BACKENDS = ["servicekit.signin.backend.LimitedBackend"]
CSRF_FAILURE_VIEW = "servicekit.web.error_responses.csrf_failed"

# What a browser's script of another origin may send on top of the usual, and read on top of the body.
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "x-request-id"]
CORS_EXPOSE_HEADERS = ["X-Request-ID", "Idempotent-Replayed", "Retry-After", "RateLimit", "RateLimit-Policy"]
# The admin has cookies and is nobody else's business.
CORS_URLS_REGEX = r"^/(?!admin(/|$))"

STATIC_URL = "/static/"
# Static files below whatever prefix a request came by.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servicekit.web.prefixes.StaticStorage"},
}
WHITENOISE_USE_FINDERS = True
# For the admin and the two documentation pages.
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).resolve().parent.parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["servicekit.web.fields.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["servicekit.web.fields.ExactJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "servicekit.web.fields.AlwaysTheFirst",
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["servicekit.apikeys.guard.Guard"],
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "servicekit.web.error_responses.handle_exception",
    "COERCE_DECIMAL_TO_STRING": False,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["servicekit.web.fields.ExactJSONRenderer"],
}
