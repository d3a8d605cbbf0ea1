"""Django's connections by thread.

Replaces the table inside `django.db.connections`. Django keeps connections by thread or by task, and looks for a loop
each time it wants one: 50 times an order. No loop ever runs here.
"""

import threading
from typing import Any

from django.db import connections


def install() -> None:
    by_thread: Any = threading.local()
    for connection in connections.all(initialized_only=True):
        setattr(by_thread, connection.alias, connection)
    vars(connections)["_connections"] = by_thread
