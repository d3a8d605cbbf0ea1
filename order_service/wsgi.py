"""The order service as a WSGI application, for `servicekit.server` or any other server."""

import os
from importlib import import_module

from servicekit.runtime import wsgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "order_service.settings")

application = wsgi.load()
import_module("order_service.orders.composition").finish_in_batches()
