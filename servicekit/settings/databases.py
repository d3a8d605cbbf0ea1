"""What the services ask of PostgreSQL and of MySQL or MariaDB: isolation, limits on waiting, and connections.

Both run every transaction at READ COMMITTED, and whatever decides is a conditional UPDATE or a unique key, so that no
code of ours needs more (docs/adr/0010). The defaults of the limits fit into each other: whoever waits gives up before
the one who waits for him does.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from environs import Env, EnvError

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

# How a connection is protected, in libpq's words.
_TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# What they are in PyMySQL's. "require" asks for TLS and not who answers.
_MYSQL_TLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "disable": {"ssl_disabled": True},
    "require": {"ssl": {"verify_mode": "none"}},
    "verify-ca": {"ssl_verify_cert": True},
    "verify-full": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}

# The server reads and plans a statement once in a session, from the sixth time on, and not each time.
_PREPARED: Final = {"server_side_binding": True, "prepare_threshold": 5}

# psycopg's number for it, which only a service on PostgreSQL is to load.
_READ_COMMITTED: Final = 2

# Strict: what does not fit is an error, never cut off or made 0.
_SQL_MODE: Final = (
    "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)


def postgresql(env: Env) -> dict[str, Any]:
    """What PostgreSQL's entry in `DATABASES` has on top of its address: a pool for each process, and limits.

    `DB_TRANSACTION_POOLING`: there is a PgBouncer between that gives each transaction another session. It takes no
    options of a session and keeps none, so the limits are the role's own then (docs/databases.md); a cursor of the
    server's would end with its transaction, and a prepared statement belongs to a session, so there are none.
    """
    is_pooled = env.bool("DB_TRANSACTION_POOLING", default=False)
    session = {"isolation_level": _READ_COMMITTED} if is_pooled else {"options": _options(env), **_PREPARED}
    mode, trusted = _tls(env)
    return {
        "ENGINE": POSTGRESQL,
        "DISABLE_SERVER_SIDE_CURSORS": is_pooled,
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
            **({"sslmode": mode} if mode else {}),
            **({"sslrootcert": trusted} if trusted else {}),
            **session,
            **_KEEPALIVE,
        },
    }


def mysql(env: Env) -> dict[str, Any]:
    """What MySQL's and MariaDB's entry in `DATABASES` has on top of its address: a session like the other engines'."""
    statement_s: float = env.float("DB_STATEMENT_TIMEOUT_S", default=STATEMENT_TIMEOUT_S)
    mode, trusted = _tls(env)
    answer_s = statement_s + _ANSWER_GRACE_S if statement_s else None
    return {
        "ENGINE": "servicekit.db.mysql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "isolation_level": "read committed",
            "charset": "utf8mb4",
            "init_command": _session(env, statement_s),
            "connect_timeout": max(1, _whole_seconds(env, "DB_CONNECT_TIMEOUT_S", CONNECT_TIMEOUT_S)),
            "read_timeout": answer_s,
            "write_timeout": answer_s,
            **_MYSQL_TLS.get(mode, {}),
            **({"ssl_ca": trusted} if trusted else {}),
        },
    }


def _session(env: Env, statement_s: float) -> str:
    """What a session of MySQL's or MariaDB's is told at its start."""
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
    return "SET SESSION " + ", ".join(f"{k}={v}" for k, v in session.items()) + limits


def took_too_long(problem: Exception) -> bool:
    """Whether the database ended a statement because it ran for longer than it may."""
    code = problem.args[0] if problem.args else None
    return (
        code in _OUT_OF_TIME_CODES
        or code == _SQLITE_OUT_OF_TIME
        or getattr(problem.__cause__, "sqlstate", None) == _OUT_OF_TIME_SQLSTATE
    )


def _tls(env: Env) -> tuple[str, str]:
    """`DB_SSLMODE` and `DB_SSLROOTCERT`, each empty where it is not set, so that the driver does as it does by itself.

    Certificates to trust and no mode mean that the server must show one of theirs for its own name.
    """
    mode, trusted = (env.str(name, default="") for name in ("DB_SSLMODE", "DB_SSLROOTCERT"))
    if mode and mode not in _TLS_MODES:
        raise EnvError(f'Environment variable "DB_SSLMODE" must be one of {_TLS_MODES}, not {mode!r}')
    if trusted and not Path(trusted).is_file():
        raise EnvError(f'Environment variable "DB_SSLROOTCERT" names a file that is not there: {trusted}')
    if mode.startswith("verify") and not trusted:
        raise EnvError(f'"DB_SSLMODE" is {mode}, so "DB_SSLROOTCERT" must name the file of certificates to trust')
    if not trusted:
        return mode, ""
    if mode in ("disable", "allow", "prefer"):
        raise EnvError(f'"DB_SSLROOTCERT" is set, but with "DB_SSLMODE" {mode} no certificate is looked at')
    # As libpq has it: who asks for TLS and says whom to trust wants to know that it is one of those.
    return {"": "verify-full", "require": "verify-ca"}.get(mode, mode), trusted


def _options(env: Env) -> str:
    """What a session of PostgreSQL's is told at its start."""
    limits = {
        "default_transaction_isolation": r"read\ committed",
        "statement_timeout": _milliseconds(env, "DB_STATEMENT_TIMEOUT_S", STATEMENT_TIMEOUT_S),
        "lock_timeout": _milliseconds(env, "DB_LOCK_TIMEOUT_S", LOCK_TIMEOUT_S),
        "idle_in_transaction_session_timeout": _milliseconds(
            env, "DB_IDLE_IN_TRANSACTION_TIMEOUT_S", IDLE_IN_TRANSACTION_TIMEOUT_S
        ),
    }
    return " ".join(f"-c {name}={value}" for name, value in limits.items())


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
