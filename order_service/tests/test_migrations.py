"""A rolling upgrade: migrations that the version before can work with, and that version on a later schema."""

import pytest
from django.db import DatabaseError, models

from order_service.orders.models import Order
from order_service.tests.conftest import Shop
from servicekit.tests import migrations


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    """No migration is missing."""
    assert migrations.lacking() == []


def test_the_version_before_works_with_every_migration() -> None:
    """Each only adds, and what it adds may be NULL or has a default in the database."""
    assert migrations.what_breaks() == []
    assert migrations.without_a_default_of_their_own() == []


@pytest.mark.django_db(transaction=True)
def test_an_order_is_placed_on_a_later_schema(shop: Shop) -> None:
    """Every table has a column that this code does not know, NOT NULL and with a default in the database."""
    with migrations.one_column_more(models.CharField(max_length=9, default="", db_default="")) as tables:
        assert tables >= 5
        shop.place()
        shop.place(pay_later=True)
        shop.work()
        assert sorted(Order.objects.values_list("status", flat=True)) == ["CANCELLED", "PAID"]


@pytest.mark.django_db(transaction=True)
def test_no_order_is_placed_on_one_that_breaks_the_rule(shop: Shop) -> None:
    """The same with a default in the code alone, which is what the rule is for."""
    with migrations.one_column_more(models.CharField(max_length=9, default="")):
        # An INSERT that a constraint refuses is taken for a repeat, of which then nothing is found.
        with pytest.raises((DatabaseError, Order.DoesNotExist)):
            shop.place()
        assert Order.objects.count() == 0
