"""A rolling upgrade: migrations that the version before can work with, and that version on a later schema."""

import pytest
from django.db import models

from notify_service.mailing.sending import send_once
from notify_service.tests.conftest import event, hear
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
def test_a_mail_is_written_and_sent_on_a_later_schema() -> None:
    """Every table has a column that this code does not know, NOT NULL and with a default in the database."""
    with migrations.one_column_more(models.CharField(max_length=9, default="", db_default="")) as tables:
        assert tables >= 3
        assert (hear(event("payment.successful")), send_once()) == ("written", 1)
