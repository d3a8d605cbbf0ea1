"""The settings and the file that explains them; who may come in where nobody has said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console import settings
from servicekit.tests.examples import assert_the_example_names_every_variable

ROOT = Path(settings.__file__).resolve().parent.parent


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more and no less than it reads."""
    database = ("DB_", "SQLITE_", "DATA_DIR", "MYSQL_", "ADMIN", "API_AUTH", "CORS_", "FORWARDED_", "FASTPATH")
    also = (*database, "REQUESTS_AT_ONCE", "READS_AT_ONCE", "BREAKER_", "DOWNSTREAM_", "MAX_URL")
    assert_the_example_names_every_variable(settings, "console", monkeypatch, also=also)


def start(**said: str) -> tuple[int, str]:
    """Load the settings in a process of its own; its status, and its last line."""
    environment = {**os.environ, "ENV_FILE": "", "DJANGO_SETTINGS_MODULE": "console.settings", **said}
    command = [sys.executable, "-c", "from console import settings; print(settings.CONSOLE_AUTH)"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "False"),
        ({"CONSOLE_AUTH": "on", "CONSOLE_USERS": "ann:md5$x$y"}, "True"),
        ({"SERVER_HOST": "0.0.0.0", "CONSOLE_USERS": "ann:md5$x$y"}, "True"),
        ({"ALLOWED_HOSTS": "console.example.org", "CONSOLE_USERS": "ann:md5$x$y"}, "True"),
        ({"SERVER_HOST": "0.0.0.0", "CONSOLE_AUTH": "off"}, "False"),
    ],
)
def test_it_is_open_on_this_machine_alone(said: dict[str, str], expected: str) -> None:
    """Or where that was said."""
    assert start(**said) == (0, expected)


def test_it_does_not_start_where_nobody_could_come_in() -> None:
    """With what to do about it."""
    status, line = start(SERVER_HOST="0.0.0.0")
    assert status != 0
    assert "CONSOLE_USERS" in line
    assert "manage.py user NAME" in line


def test_it_can_be_served() -> None:
    """All that the server asks of an application's settings is there: it loads whole, and answers."""
    asked = (
        "from console.wsgi import application\n"
        "from django.test import Client\n"
        "print(Client().get('/health', headers={'host': 'localhost'}).json()['status'])"
    )
    environment = {**os.environ, "ENV_FILE": "", "DJANGO_SETTINGS_MODULE": "console.settings"}
    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-1:] == ["ok"], done.stderr
