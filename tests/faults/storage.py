"""Faults of the disk under a running service, put in from outside and without being root."""

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tests.stack import Process, Service

_UNLIMITED: Final = resource.RLIM_INFINITY
# linux/prctl.h and linux/capability.h.
_PR_CAPBSET_DROP: Final = 24
_CAP_DAC_OVERRIDE: Final = 1


@contextmanager
def locked(service: Service, *_: Process) -> Iterator[None]:
    """Another process, this one, holds SQLite's one write lock."""
    with closing(service.db.connect()) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def no_room(service: Service, *others: Process) -> Iterator[None]:
    """No file of the service can grow any more, its log included: for writing, that is a full disk.

    A limit of the processes, set while they run. Where it ends, the kernel refuses the write (EFBIG) as it does at the
    end of a disk (ENOSPC); what is in the file already can be written over on both.
    """
    pids = [pid for process in (service, *others) for pid in _pids(process)]
    log = service.database.with_name(f"{service.database.name}-wal")
    _limit(pids, log.stat().st_size if log.exists() else service.database.stat().st_size)
    try:
        yield
    finally:
        _limit(pids, _UNLIMITED)


def _limit(pids: Sequence[int], size: int) -> None:
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, _UNLIMITED))


def _pids(process: Process) -> list[int]:
    """The process and all that it has started."""
    assert process._process is not None
    running = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in running if _session_of(entry) == process._process.pid]


def _session_of(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:  # it has just ended
        return None


def mind_permissions(service: Service) -> None:
    """Let the permission bits of files hold for a service that is to be started, whoever runs the tests.

    Root is otherwise not subject to them.
    """
    if os.geteuid() == 0:
        service.command[:0] = [sys.executable, "-c", _WITHOUT_PRIVILEGE]


# Gives up the right to write anywhere for good, then becomes the command that follows.
_WITHOUT_PRIVILEGE: Final = f"""
import ctypes, os, sys
if ctypes.CDLL(None).prctl({_PR_CAPBSET_DROP}, {_CAP_DAC_OVERRIDE}, 0, 0, 0):
    sys.exit("cannot give up root's right to write anywhere")
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def read_only(service: Service) -> Iterator[None]:
    """The database's file may only be read. Of effect on files that are opened from now on.

    What SQLite makes beside it in the meantime has the same permissions, and gets them back too.
    """
    service.database.chmod(0o444)
    try:
        yield
    finally:
        for path in service.database.parent.glob(f"{service.database.name}*"):
            path.chmod(0o644)


@contextmanager
def gone(service: Service) -> Iterator[None]:
    """The database's file is somewhere else."""
    away = service.database.rename(service.database.with_suffix(".away"))
    try:
        yield
    finally:
        away.rename(service.database)


def damage(service: Service) -> None:
    """Everything but the first page of the database becomes noise."""
    with closing(service.db.connect()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page_size,),) = connection.execute("PRAGMA page_size").fetchall()
    with service.database.open("r+b") as file:
        file.seek(page_size)
        file.write(os.urandom(service.database.stat().st_size - page_size))
