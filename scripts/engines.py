"""What each engine needs to be made and started. MariaDB and MySQL differ only in how their data is made."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from throwaway import HOST, STARTS_WITHIN_S, USER, Problem, Server, listens

# Debian keeps servers where only their own start scripts look.
SERVER_PATHS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec", "/usr/lib/mysql")
# More than any test opens: three services of a dozen threads and a worker each, twice.
MAX_CONNECTIONS = 300


class Postgres(Server):
    """PostgreSQL, started with its own pg_ctl."""

    engine = "postgres"
    django_engine = "django.db.backends.postgresql"
    account = "postgres"
    crash_signal = signal.SIGQUIT  # "immediate": every process ends at once, and nothing is written first

    def _create(self, facts: Mapping[str, Any], *, durable: bool) -> None:
        password = self.write(self.folder / "password", str(facts["password"]))
        initdb = [self._program("initdb"), "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]
        self.call(*initdb, f"--username={USER}", f"--pwfile={password}", "--pgdata", self.data)
        settings = {
            "listen_addresses": HOST,
            "port": str(facts["port"]),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "log_timezone": "UTC",
            # Not UTC, so that whoever forgets to ask for it is found out.
            "timezone": "Asia/Tokyo",
        }
        if not durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        self.write(self.data / "postgresql.auto.conf", "".join(lines))

    def _launch(self) -> None:
        control = self._program("pg_ctl")
        self.call(
            control, "start", "--wait", "--pgdata", self.data, "--log", self.log, f"--timeout={STARTS_WITHIN_S:.0f}"
        )

    def _answers(self) -> bool:
        return listens(self.facts["port"])

    def _program(self, name: str) -> str:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
        found = next((str(path / name) for path in versions if (path / name).exists()), shutil.which(name))
        if found is None:
            raise Problem(f"{name} of PostgreSQL was not found. On Debian and Ubuntu: apt-get install postgresql")
        return found


class MySQL(Server):
    """MariaDB or MySQL, whichever is there."""

    engine = "mysql"
    django_engine = "django.db.backends.mysql"
    account = "mysql"
    crash_signal = signal.SIGKILL

    def _create(self, facts: Mapping[str, Any], *, durable: bool) -> None:
        account = f"'{USER}'@'%'"
        statements = (
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{facts['password']}';",
            f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;",
        )
        first = self.write(self.folder / "first.sql", "".join(f"{statement}\n" for statement in statements))
        settings = {
            "datadir": str(self.data),
            "pid-file": str(self.data / "postmaster.pid"),
            "socket": str(self.folder / "socket"),
            "tmpdir": str(self.folder),
            "log-error": str(self.log),
            "init-file": str(first),
            "bind-address": HOST,
            "port": str(facts["port"]),
            "max-connections": str(MAX_CONNECTIONS),
            # Neither UTC nor a collation that tells case apart, so that whoever forgets to ask for them is found out.
            "default-time-zone": "+09:00",
            "character-set-server": "utf8mb4",
            "collation-server": "utf8mb4_general_ci",
        }
        if not durable:
            settings |= {"innodb-flush-log-at-trx-commit": "0", "innodb-flush-method": "nosync", "sync-binlog": "0"}
            settings |= {"innodb-doublewrite": "0"}
        lines = ["[mysqld]\n", "skip-name-resolve\n", *(f"{name}={value}\n" for name, value in settings.items())]
        options = self.write(self.folder / "my.cnf", "".join(lines))
        installer = shutil.which("mariadb-install-db")
        if installer is None:
            self.call(self._server(), f"--defaults-file={options}", "--initialize-insecure")
        else:
            login = "--auth-root-authentication-method=normal"
            self.call(installer, f"--defaults-file={options}", login, "--skip-test-db", f"--datadir={self.data}")

    def _launch(self) -> None:
        subprocess.Popen(
            [self._server(), f"--defaults-file={self.folder / 'my.cnf'}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self.as_its_account(),
        )

    def _answers(self) -> bool:
        return self.is_running and listens(self.facts["port"])

    def _server(self) -> str:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SERVER_PATHS])
        found = shutil.which("mariadbd", path=path) or shutil.which("mysqld", path=path)
        if found is None:
            raise Problem("Neither MariaDB nor MySQL was found. On Debian and Ubuntu: apt-get install mariadb-server")
        return found


SERVERS: Mapping[str, type[Server]] = {"postgres": Postgres, "mysql": MySQL}
