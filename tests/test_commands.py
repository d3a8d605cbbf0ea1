"""What a command says that cannot do its work for want of a database or of a variable: one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import ROOT, SERVICES, base_environment


def manage(service: str, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Exit status, and what it says on its standard error."""
    done = subprocess.run(
        [sys.executable, str(ROOT / service / "manage.py"), *arguments],
        env={**base_environment(), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("service", [*SERVICES, "notify_service"])
def test_a_folder_that_is_not_there_is_named(service: str, tmp_path: Path) -> None:
    """By `migrate`, with the whole path; and nothing is made."""
    folder = tmp_path / "data"
    status, said = manage(service, "migrate", DB_NAME=f"{folder}/db.sqlite3")
    assert (status, said) == (1, [f"DB_NAME is {folder}/db.sqlite3, and there is no folder {folder}"])
    assert not folder.exists()


def test_a_variable_that_cannot_be_used_is_named() -> None:
    """Before anything else is done; whoever wants to see more can."""
    wrong = {"DB_ENGINE": "django.db.backends.mysql", "DB_SSLMODE": "on"}
    status, (sentence,) = manage("product_stub", "check", **wrong)
    assert status == 1
    assert sentence.startswith('Environment variable "DB_SSLMODE" must be one of')
    _, said = manage("product_stub", "check", "--traceback", **wrong)
    assert said[0] == "Traceback (most recent call last):"
    assert said[-1].endswith(sentence)


def test_a_server_that_is_away_is_named() -> None:
    """Where it was looked for, and why there is nothing."""
    address = {"DB_ENGINE": "django.db.backends.mysql", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_USER": "shop"}
    status, said = manage("payment_service", "migrate", **address)
    assert (status, len(said)) == (1, 1)
    assert "Can't connect to MySQL server on '127.0.0.1'" in said[0]
