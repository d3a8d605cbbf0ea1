"""Fixtures of the fault tests; those of the stack come from the folder above, `evidence` with them."""

from typing import Final

from tests import databases

# A file that is full, locked or gone is SQLite's; row locks, deadlocks and a server that dies are the others'.
collect_ignore: Final = (
    ["test_storage.py", "test_storage_alone.py"] if databases.IS_SERVER else ["test_engine_faults.py", "test_clocks.py"]
)
