"""The settings and the file that explains them."""

import pytest

from notify_service import settings
from servicekit.tests.examples import assert_the_example_names_every_variable


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_the_example_names_every_variable(
        settings, "notify_service", monkeypatch, also=("REQUESTS_AT_ONCE", "READS_AT_ONCE"), is_served=False
    )
