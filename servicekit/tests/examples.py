"""A service's .env.example, held against what the service reads."""

from pathlib import Path
from types import ModuleType

import pytest

from servicekit.runtime import server_settings
from servicekit.settings.databases import SERVERS
from servicekit.settings.env import SQLITE, database


def assert_the_example_names_every_variable(
    settings: ModuleType,
    service: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    also: str | tuple[str, ...] = "",
    is_served: bool = True,
) -> None:
    """What settings.py and the server read, on whatever database, is what is explained: no more and no less.

    Args:
        is_served: Whether the service answers requests.
        also: How what is read beside that begins: other names for its `DB_*`, which are in docs/databases.md, or what
            means nothing to it.
    """
    example = Path(str(settings.__file__)).with_name(".env.example").read_text(encoding="utf-8")
    lines = [line.lstrip("#") for line in example.splitlines() if "=" in line and not line.startswith("# ")]
    named = {line.partition("=")[0] for line in lines}
    for engine in (SQLITE, *SERVERS):
        monkeypatch.setenv("DB_ENGINE", engine)
        database(settings.env, default_sqlite=Path("db.sqlite3"))
    if is_served:
        server_settings.read(service, settings.env)
    read = {name for name in settings.env.dump() if not (also and name.startswith(also))}
    assert named == read, f"not explained: {sorted(read - named)}; not read: {sorted(named - read)}"
