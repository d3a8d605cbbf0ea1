"""What the services ask of PostgreSQL and of MySQL or MariaDB: isolation, limits on waiting, and connections.

Both run every transaction at READ COMMITTED, and whatever decides is a conditional UPDATE or a unique key, so that no
code of ours needs more (docs/adr/0010). The defaults of the limits fit into each other: whoever waits gives up before
the one who waits for him does.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from environs import Env

POSTGRESQL: Final = "django.db.backends.postgresql"
MYSQL: Final = "django.db.backends.mysql"

# Seconds. A server that is there answers in milliseconds; beyond this a client is better told to come again.
CONNECT_TIMEOUT_S: Final = 3.0
POOL_TIMEOUT_S: Final = 3.0
# No transaction of ours has work for a tenth of this, so whoever holds a lock longer has a problem of his own.
LOCK_TIMEOUT_S: Final = 5.0
# Above the lock time-out, below any client's patience.
STATEMENT_TIMEOUT_S: Final = 10.0
# Between two statements of a transaction there is no network of ours: only a frozen process lets it lie.
IDLE_IN_TRANSACTION_TIMEOUT_S: Final = 30.0
# How long past a statement's own limit its answer is waited for before the connection is given up.
_ANSWER_GRACE_S: Final = 5.0
# Every request that is worked on has one connection, and whoever watches the service or is in the admin a few more.
POOL_MAX: Final = 16
_OTHERS: Final = 5
# A peer that is dead or cut off is noticed after 10 + 3 x 5 s, or when it acknowledges nothing for 10.
_KEEPALIVE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 10_000}

# How each says that a statement had no more time: PostgreSQL, MariaDB and MySQL, SQLite (`sqlite/base.py`).
_OUT_OF_TIME_SQLSTATE: Final = "57014"
_OUT_OF_TIME_CODES: Final = frozenset({1969, 3024})
_SQLITE_OUT_OF_TIME: Final = "interrupted"

# Strict: what does not fit is an error, never cut off or made 0.
_SQL_MODE: Final = (
    "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)


def postgresql(env: Env) -> dict[str, Any]:
    """What PostgreSQL's entry in `DATABASES` has on top of its address: a pool for each process, and limits."""
    limits = {
        "default_transaction_isolation": r"read\ committed",
        "statement_timeout": _milliseconds(env, "DB_STATEMENT_TIMEOUT_S", STATEMENT_TIMEOUT_S),
        "lock_timeout": _milliseconds(env, "DB_LOCK_TIMEOUT_S", LOCK_TIMEOUT_S),
        "idle_in_transaction_session_timeout": _milliseconds(
            env, "DB_IDLE_IN_TRANSACTION_TIMEOUT_S", IDLE_IN_TRANSACTION_TIMEOUT_S
        ),
    }
    return {
        "ENGINE": POSTGRESQL,
        "CONN_MAX_AGE": 0,  # a request gives its connection back to the pool
        "CONN_HEALTH_CHECKS": True,  # which looks at it before the next one gets it
        "OPTIONS": {
            "pool": {
                "min_size": env.int("DB_POOL_MIN", default=1),
                "max_size": env.int("DB_POOL_MAX", default=_pool_max(env)),
                "timeout": env.float("DB_POOL_TIMEOUT_S", default=POOL_TIMEOUT_S),
                # The pool itself tries again and again, each time later; the next request is to try at once instead.
                "reconnect_timeout": env.float("DB_POOL_TIMEOUT_S", default=POOL_TIMEOUT_S),
            },
            "connect_timeout": _whole_seconds(env, "DB_CONNECT_TIMEOUT_S", CONNECT_TIMEOUT_S),
            "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
            **_KEEPALIVE,
        },
    }


def mysql(env: Env) -> dict[str, Any]:
    """What MySQL's and MariaDB's entry in `DATABASES` has on top of its address: a session like the other engines'."""
    statement_s = env.float("DB_STATEMENT_TIMEOUT_S", default=STATEMENT_TIMEOUT_S)
    idle_s = _whole_seconds(env, "DB_IDLE_IN_TRANSACTION_TIMEOUT_S", IDLE_IN_TRANSACTION_TIMEOUT_S)
    session = {
        "sql_mode": f"'{_SQL_MODE}'",
        # Django stores UTC; the server's own NOW() is to mean the same.
        "time_zone": "'+00:00'",
        "innodb_lock_wait_timeout": str(max(1, _whole_seconds(env, "DB_LOCK_TIMEOUT_S", LOCK_TIMEOUT_S))),
    }
    # Comments that only the one or the other server reads; MySQL limits SELECTs alone.
    limits = (
        f" /*M!100100 , max_statement_time={statement_s}, idle_transaction_timeout={idle_s} */"
        f" /*!50708 , max_execution_time={statement_s * 1000:.0f} */"
    )
    answer_s = statement_s + _ANSWER_GRACE_S if statement_s else None
    return {
        "ENGINE": "servicekit.mysql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "isolation_level": "read committed",
            "charset": "utf8mb4",
            "init_command": "SET SESSION " + ", ".join(f"{k}={v}" for k, v in session.items()) + limits,
            "connect_timeout": max(1, _whole_seconds(env, "DB_CONNECT_TIMEOUT_S", CONNECT_TIMEOUT_S)),
            "read_timeout": answer_s,
            "write_timeout": answer_s,
        },
    }


def took_too_long(problem: Exception) -> bool:
    """Whether the database ended a statement because it ran for longer than it may."""
    code = problem.args[0] if problem.args else None
    return (
        code in _OUT_OF_TIME_CODES
        or code == _SQLITE_OUT_OF_TIME
        or getattr(problem.__cause__, "sqlstate", None) == _OUT_OF_TIME_SQLSTATE
    )


def _pool_max(env: Env) -> int:
    at_once: int = env.int("REQUESTS_AT_ONCE", default=0)
    reads: int = env.int("READS_AT_ONCE", default=at_once // 4)
    return max(POOL_MAX, at_once + reads + _OTHERS)


def _milliseconds(env: Env, name: str, default_s: float) -> str:
    return f"{env.float(name, default=default_s) * 1000:.0f}"


def _whole_seconds(env: Env, name: str, default_s: float) -> int:
    return math.ceil(env.float(name, default=default_s))


# By the name in DB_ENGINE.
SERVERS: Final[Mapping[str, Callable[[Env], dict[str, Any]]]] = {POSTGRESQL: postgresql, MYSQL: mysql}
