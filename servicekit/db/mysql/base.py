"""What Django's own backend for MySQL and MariaDB leaves open: how texts compare, and UUIDs that the driver knows."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.backends.mysql import base
from django.db.backends.mysql.schema import DatabaseSchemaEditor


class SchemaEditor(DatabaseSchemaEditor):
    """Makes every table with a collation that tells capitals and blanks at the end apart, whatever the database has.

    As on SQLite and PostgreSQL: "Key" and "key" are two keys, "key" and "key " too. MySQL's collations of the UCA 9.0
    family pad nothing; MariaDB has none of those, but a binary one that does not pad either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        collation = "utf8mb4_nopad_bin" if self.connection.mysql_is_mariadb else "utf8mb4_0900_bin"
        self.sql_create_table = f"CREATE TABLE %(table)s (%(definition)s) CHARACTER SET utf8mb4 COLLATE {collation}"


# Lookups that ask for capitals to be ignored; Django relies on the column's own collation for them.
_IGNORING_CASE: Final = ("iexact", "icontains", "istartswith", "iendswith")


def _ignoring_case(sql_of_lookups: Mapping[str, str]) -> dict[str, str]:
    folded = {
        name: f"{sql_of_lookups[name]} COLLATE utf8mb4_general_ci" for name in _IGNORING_CASE if name in sql_of_lookups
    }
    return {**sql_of_lookups, **folded}


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of PyMySQL's."""

    SchemaEditorClass = SchemaEditor
    operators = _ignoring_case(base.DatabaseWrapper.operators)
    pattern_ops = _ignoring_case(base.DatabaseWrapper.pattern_ops)

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        # MariaDB has a type for UUIDs, so Django hands them to the driver as they are.
        params["conv"] = {**params["conv"], UUID: _uuid_literal}
        return params


def _uuid_literal(value: UUID, _mapping: Mapping[Any, Any] | None = None) -> str:
    return f"'{value}'"
