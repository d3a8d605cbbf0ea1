"""A worker process of the server: what it may use, where it listens, when it ends. `server.py` has its settings."""

import os
import resource
import signal
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from multiprocessing import parent_process
from threading import Event, Thread, Timer
from typing import Any, Final

from django.conf import settings as django
from granian.constants import HTTPModes
from granian.http import HTTP1Settings
from granian.log import LogLevels, configure_logging

from servicekit.runtime import processes, sockets
from servicekit.runtime.bridge import Application, Bridge, Environ, HereAndNow, Limits
from servicekit.runtime.server_settings import BACKLOG, BUFFER_BYTES, HEAD_TIMEOUT_S, Settings
from servicekit.web import draining
from servicekit.web.admission import ALWAYS_ADMITTED

# The half of granian that is not written in Python. Its types are not said, and not promised from version to version.
_granian: Any = import_module("granian._granian")

# Open files that are no connections of clients: logs, the database, calls to peers.
_OTHER_FILES: Final = 512
# Far more than there can be connections; some systems allow a billion.
_MAX_FILES: Final = 65_536
# Threads for whoever watches, on a port of their own.
_WATCHERS_THREADS: Final = 4
# A thread without work for so long ends.
_IDLE_THREAD_S: Final = 30


def work(settings: Settings, application: Application, worker_id: int) -> None:
    """Answer requests until SIGTERM or SIGINT, and `drain_s` seconds more; then those that are there."""
    _end_with_parent()
    connections = min(settings.connections, _raise_file_limit() - _OTHER_FILES)
    configure_logging(LogLevels(settings.log_level), None, True)
    listeners = [_Listener(settings, application, port=settings.port, threads=settings.threads)]
    if settings.health_port:
        listeners.append(
            _Listener(settings, _for_watchers(application), port=settings.health_port, threads=_WATCHERS_THREADS)
        )
    for listener in listeners:
        listener.start(worker_id, connections=connections)

    def begin_to_stop(*_: object) -> None:
        # A second signal is the same wish: one to the whole group comes from the process above as well.
        if not draining.is_draining():
            draining.drain()
            _stop(listeners, in_s=settings.drain_s)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, begin_to_stop)
    for listener in listeners:
        listener.has_stopped.wait()
    processes.end()


def _stop(listeners: "Sequence[_Listener]", *, in_s: float) -> None:
    """Whoever shares out the requests goes on sending them until he has looked whether this process is ready."""

    def stop() -> None:
        for listener in listeners:
            listener.stop()

    if in_s:
        later = Timer(in_s, stop)
        later.daemon = True
        later.start()
    else:
        stop()


class _Listener:
    """A port, with threads of its own behind it."""

    def __init__(self, settings: Settings, application: Application, *, port: int, threads: int) -> None:
        limits = Limits(settings.body_timeout_s, django.MAX_BODY_BYTES)
        self._bridge = Bridge(application, limits=limits, host=settings.host, port=port, prefix=settings.prefix)
        self._address = (settings.host, port)
        self._threads = threads
        self._signal = _granian.WorkerSignal()
        self.has_stopped = Event()
        self._signal.add_cb(self.has_stopped.set)

    def start(self, worker_id: int, *, connections: int) -> None:
        self._bridge.watch()
        loop = HereAndNow()
        scheduler = _granian.CallbackScheduler(loop, self._bridge, None, None, None)
        scheduler._schedule_fn = self._bridge
        server = _granian.RSGIWorker(
            worker_id,
            (None, _granian.SocketHolder(sockets.bound(self._address).detach(), False, BACKLOG)),
            None,
            py_threads=self._threads,
            py_threads_idle_timeout=_IDLE_THREAD_S,
            backpressure=connections,
            http_mode=HTTPModes.http1.value,
            http1_opts=HTTP1Settings(header_read_timeout=HEAD_TIMEOUT_S * 1000, max_buffer_size=BUFFER_BYTES),
        )
        server.serve_mtr(scheduler, loop, self._signal)

    def stop(self) -> None:
        self._signal.set()


def _for_watchers(application: Application) -> Application:
    """The same, but that nothing is found beside what watches a service."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(ALWAYS_ADMITTED):
            environ["PATH_INFO"] = "/-"  # where nothing is
        return application(environ, start_response)

    return answer


def _end_with_parent() -> None:
    """End at once when the process above has ended without a word: nobody would look after this one, or stop it."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, name="end-with-parent", daemon=True).start()


def _raise_file_limit() -> int:
    """Each connection is an open file, and a process often starts with a limit of 1,024; returns the new one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
