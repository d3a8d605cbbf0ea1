"""The notify service as a WSGI application, for `servicekit.server` or any other server."""

import os

from servicekit.runtime import wsgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notify_service.settings")

application = wsgi.load()
