"""The one door to a transaction that the database may end for the sake of another one.

Two transactions that wait for each other in a circle: the database picks one of them, undoes it and says so (a
deadlock), or it cannot put them in an order (a serialization failure). Neither is anybody's fault, and to run the same
writes again is all that it takes. A *short* transaction of ours is a function that only writes to this database, so
that can be done here, for all of them; never around a view or a step of the saga, which have also called others.

What is decorated must be fit to run again: it leaves its arguments as they were until it has committed.
"""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, overload

import structlog
from django.db import OperationalError, connection, transaction
from prometheus_client import Counter

from servicekit.observability import spans
from servicekit.retry import RetryPolicy

log = structlog.get_logger()

# The winner of a deadlock needs milliseconds. Who lost five times in two seconds has met something else, and so has who
# waited for a lock as long as he may: his client is told to come again.
_POLICY: Final = RetryPolicy(attempts=5, first_wait_s=0.005, max_wait_s=0.1, deadline_s=2.0)

# Serialization failure and deadlock, as PostgreSQL has them from the SQL standard and from itself.
_SQLSTATES: Final = frozenset({"40001", "40P01"})
# Lock wait timeout and deadlock, as MySQL and MariaDB number them.
_MYSQL_CODES: Final = frozenset({1205, 1213})

_GAVE_WAY: Final = Counter(
    "database_transactions_gave_way", "Transactions that the database undid for another one, and that were run again."
)

P = ParamSpec("P")
T = TypeVar("T")


@overload
def in_one_transaction(write: Callable[P, T]) -> Callable[P, T]: ...


@overload
def in_one_transaction(*, durable: bool) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def in_one_transaction(write: Callable[P, T] | None = None, *, durable: bool = False) -> Any:
    """Run a function that only writes to the database in one transaction, again where it had to give way to another.

    Inside a larger transaction it is a part of that, and that is what is run again.

    Args:
        durable: Refuse to be part of a larger one: what is written is there when the function returns.

    Raises:
        OperationalError: it had to give way too often. Nothing was written.
    """

    def decorate(write: Callable[P, T]) -> Callable[P, T]:
        name = f"transaction {write.__name__.strip('_')}"

        @wraps(write)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            def once() -> T:
                with transaction.atomic(durable=durable):
                    return write(*args, **kwargs)

            if connection.in_atomic_block:
                return once()
            with spans.span(name) as span:
                if span.is_recorded:
                    span.set("db.system.name", connection.vendor)
                return run_again(once)

        return run

    return decorate if write is None else decorate(write)


def run_again(
    once: Callable[[], T],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> T:
    """What `once` returns, the first time that the database lets it through."""
    deadline, attempt = clock() + _POLICY.deadline_s, 1
    while True:
        try:
            return once()
        except OperationalError as problem:
            if not gave_way(problem) or attempt == _POLICY.attempts or clock() >= deadline:
                raise
            _GAVE_WAY.inc()
            log.info("transaction.gave_way", attempt=attempt, reason=str(problem))
        sleep(_POLICY.wait_after(attempt, jitter=jitter))
        attempt += 1


def gave_way(problem: OperationalError) -> bool:
    """Whether the transaction was undone for the sake of another one, and would work if it were run again."""
    code = problem.args[0] if problem.args else None
    return code in _MYSQL_CODES or getattr(problem.__cause__, "sqlstate", None) in _SQLSTATES
