"""The settings and the file that explains them."""

from pathlib import Path

import pytest

from product_stub import settings
from servicekit import server
from servicekit.databases import SERVERS
from servicekit.env import SQLITE, database
from servicekit.tests.looking import assert_every_list_is_a_read


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What settings.py and the server read is what .env.example explains, no more and no less."""
    example = Path(settings.__file__).with_name(".env.example").read_text(encoding="utf-8")
    lines = [line.lstrip("#") for line in example.splitlines() if "=" in line and not line.startswith("# ")]
    named = {line.partition("=")[0] for line in lines}
    for engine in (SQLITE, *SERVERS):
        monkeypatch.setenv("DB_ENGINE", engine)
        database(settings.env, default_sqlite=Path("db.sqlite3"))
    server.read("product_stub", settings.env)
    assert named == set(settings.env.dump())


def test_every_list_has_places_of_its_own() -> None:
    """A read never takes a place from what moves something."""
    assert_every_list_is_a_read()
