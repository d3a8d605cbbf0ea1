"""What the points of a process are: wraps, from outside, whatever makes a step of a service or a worker last.

Each commit, each write that commits by itself, each call to a peer or a gateway, each answer, each job of a worker,
each publication. Imported where Django is set up and the service is loaded, so that all of it is there.
"""

import sys
import threading
from collections.abc import Callable
from functools import wraps
from socket import socket
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import CursorWrapper
from django.db.transaction import Atomic

from servicekit import fastpath
from servicekit.fastpath.sqlite import Statements
from servicekit.http.transport import OnePeer
from servicekit.runtime import workers
from servicekit.web.middleware import RequestMiddleware
from servicekit.webhooks.sending import Sender
from tests.faults.crash_points import OURS, CrashPoints, chain_of_ours

# Not a client's: they come whenever somebody looks whether the process is up.
QUIET: Final = ("/health", "/metrics")
# On a connection: the functions that have written in its transaction.
_WROTE: Final = "_faults_wrote"
WRITES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")


def install(crash_points: CrashPoints) -> None:
    """Let `points` be passed from now on."""
    _watch_transactions(crash_points)
    _watch_statements(crash_points)
    _watch_requests(crash_points)
    _watch_calls(crash_points)
    _before(workers, "_run_job", crash_points, "job")
    for gateway in _classes_with("has_outside_effect", inside="payment_service.payments.gateways."):
        for name in ("charge", "capture", "void", "refund", "find"):
            _before(gateway, name, crash_points, "gateway")
    for publisher in _classes_with("publish_in_order"):
        _before(publisher, "publish_in_order", crash_points, "publish")


def _classes_with(attribute: str, *, inside: str = "") -> list[type]:
    """The classes of ours that are loaded and define it themselves."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(inside or OURS)]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return [each for each in dict.fromkeys(found) if attribute in vars(each) and not getattr(each, "_is_protocol", 0)]


def _before(owner: Any, name: str, crash_points: CrashPoints, kind: str) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        crash_points.reach(kind)
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def _watch_calls(crash_points: CrashPoints) -> None:
    """Each call to a peer or a receiver: before anything of it is sent, and when all is, before anything is read."""
    send, sendall = OnePeer.send, socket.sendall
    calling = threading.local()

    @wraps(send)
    def wrapped_send(*args: Any, **kwargs: Any) -> Any:
        crash_points.reach("call")
        calling.now = True
        try:
            return send(*args, **kwargs)
        finally:
            calling.now = False

    def wrapped_sendall(*args: Any) -> None:
        sendall(*args)
        if getattr(calling, "now", False):
            crash_points.reach("sent")

    deliver = Sender.send

    @wraps(deliver)
    def wrapped_deliver(*args: Any, **kwargs: Any) -> Any:
        crash_points.reach("deliver")
        calling.now = True
        try:
            return deliver(*args, **kwargs)
        finally:
            calling.now = False

    Sender.send = wrapped_deliver
    OnePeer.send = wrapped_send
    socket.sendall = wrapped_sendall


def _watch_transactions(crash_points: CrashPoints) -> None:
    """The beginning of each transaction, and the COMMIT of each that wrote something."""
    enter, leave = Atomic.__enter__, Atomic.__exit__

    def is_inside(atomic: Any) -> bool:
        return bool(connections[atomic.using or DEFAULT_DB_ALIAS].in_atomic_block)

    @wraps(enter)
    def wrapped_enter(atomic: Any) -> Any:
        if not is_inside(atomic):
            crash_points.reach("begin")
        crash_points.transaction.acquire()
        try:
            return enter(atomic)
        except BaseException:
            crash_points.transaction.release()
            raise

    @wraps(leave)
    def wrapped_leave(atomic: Any, *raised: Any) -> Any:
        try:
            return leave(atomic, *raised)
        finally:
            crash_points.transaction.release()

    Atomic.__enter__, Atomic.__exit__ = wrapped_enter, wrapped_leave
    wrapper: Any = type(connections[DEFAULT_DB_ALIAS])
    original = wrapper._commit

    @wraps(original)
    def wrapped(connection: Any) -> Any:
        wrote = connection.__dict__.pop(_WROTE, None)
        if wrote:
            crash_points.reach("commit", wrote=wrote)
        return original(connection)

    wrapper._commit = wrapped


def _watch_statements(crash_points: CrashPoints) -> None:
    """Each write that is no part of a transaction; and who writes in one."""

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def wrapped(cursor: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
            if str(sql).lstrip().upper().startswith(WRITES):
                wrote = set(chain_of_ours())
                if cursor.db.in_atomic_block:
                    cursor.db.__dict__.setdefault(_WROTE, set()).update(wrote)
                else:  # it commits by itself, and nothing is held before it
                    crash_points.reach("begin")
                    crash_points.reach("commit", wrote=wrote)
                    with crash_points.transaction:
                        return original(cursor, sql, *args, **kwargs)
            return original(cursor, sql, *args, **kwargs)

        return wrapped

    is_short = connections[DEFAULT_DB_ALIAS].vendor == "sqlite" and fastpath.is_on("sqlite")
    kind: Any = Statements if is_short else CursorWrapper
    kind.execute = watched(kind.execute)
    kind.executemany = watched(kind.executemany)


def _watch_requests(crash_points: CrashPoints) -> None:
    """Each answer, when it is complete and nothing of it has left."""
    kind: Any = RequestMiddleware
    original = kind.__call__

    @wraps(original)
    def wrapped(middleware: Any, request: Any) -> Any:
        crash_points.begin_request()
        response = original(middleware, request)
        if not request.path.startswith(QUIET):
            crash_points.reach(
                "answer", f"{request.method} {request.resolver_match.route if request.resolver_match else '?'}"
            )
        return response

    kind.__call__ = wrapped
