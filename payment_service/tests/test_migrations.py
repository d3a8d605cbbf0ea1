"""A rolling upgrade: migrations that the version before can work with, and that version on a later schema."""

from uuid import uuid4

import pytest
from django.db import models

from payment_service.payments.models import Payment, Refund
from payment_service.payments.use_cases import charging, refunding
from payment_service.tests.conftest import asked
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
def test_money_is_taken_and_given_back_on_a_later_schema(bank: None) -> None:
    """Every table has a column that this code does not know, NOT NULL and with a default in the database."""
    with migrations.one_column_more(models.CharField(max_length=9, default="", db_default="")) as tables:
        assert tables >= 8
        payment = charging.charge_payment(asked(token="tok_ok")).payment
        refunding.refund_payment(payment, uid=uuid4(), amount=payment.amount)
        assert (Payment.objects.get().status, Refund.objects.count()) == ("REFUNDED", 1)
