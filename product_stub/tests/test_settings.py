"""The settings and the file that explains them."""

import pytest

from product_stub import settings
from servicekit.tests.examples import assert_the_example_names_every_variable
from servicekit.tests.looking import assert_every_list_is_a_read


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_the_example_names_every_variable(settings, "product_stub", monkeypatch)


def test_every_list_has_slots_of_its_own() -> None:
    """A read never takes a slot from what moves something."""
    assert_every_list_is_a_read()
