"""A drill's page: what it is, and a table for each engine that it ran on."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests import databases

# In the order in which a page has them.
ENGINES: Final[Mapping[str, str]] = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MariaDB"}


def write(path: Path, text: str, table: str) -> None:
    """Put the table of this engine into a page, beside those of others, below this text."""
    path.write_text(with_table(text, table, path.read_text("utf-8") if path.exists() else ""), encoding="utf-8")


def with_table(text: str, table: str, before: str) -> str:
    """The page, with this engine's table new and those of others as they were."""
    found = re.split(r"^## (.+)$", before, flags=re.MULTILINE)[1:]
    tables = {name: rest.strip() for name, rest in zip(found[::2], found[1::2], strict=True)}
    tables[ENGINES[databases.ENGINE]] = table.strip()
    ordered = [f"## {name}\n\n{tables[name]}\n" for name in ENGINES.values() if name in tables]
    return "\n".join([text.rstrip() + "\n", *ordered])
