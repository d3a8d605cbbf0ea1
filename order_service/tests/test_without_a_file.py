"""Only on SQLite, which would make a database that is not there: reading leaves nothing behind."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever only looks leaves nothing behind."""
    nowhere = tmp_path / "db.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", nowhere)
    with pytest.raises(CommandError, match=r"There is no database .* yet: run manage.py migrate") as refused:
        call_command("check_invariants")
    assert (refused.value.returncode, nowhere.exists()) == (2, False)
