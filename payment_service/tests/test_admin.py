"""The ledger in the admin speaks to a person: what happened in words, every column somewhere, and no token."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from payment_service.payments.models import Payment
from payment_service.payments.use_cases import charging
from payment_service.tests.conftest import asked
from payment_service.tests.fakes import FakeGateway

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(gateway: FakeGateway) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def test_a_payments_page_tells_its_story(admin: Client) -> None:
    """Its id, its events in words, what the gateway said without JSON, and the ways on; its token is nowhere."""
    payment = charging.charge_payment(asked("50.00", token="tok_secret")).payment
    Payment.objects.filter(pk=payment.pk).update(provider_response={"decline_code": "none at all"})
    page = admin.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    assert str(payment.uid) in page
    assert "<b>successful</b> by" in page
    assert "decline code: none at all" in page
    assert "50.00 USD" in page
    assert f"http://localhost:8003/payments/{payment.number}/" in page
    assert "tok_secret" not in page


def test_every_column_stands_somewhere_on_a_payments_page(admin: Client) -> None:
    """One that no group names is among the rest; those that are shown in other words, and the token, are not."""
    payment = charging.charge_payment(asked("50.00")).payment
    page = admin.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    missing = {each.name for each in Payment._meta.concrete_fields if f"field-{each.name}" not in page}
    assert missing == {"uid", "token", "action_url", "amount", "currency", "provider_response"}


def test_the_list_of_payments_breaks_no_column(admin: Client) -> None:
    """References, amounts and times are each in one line, and nothing stands beside the list but its filters."""
    payment = charging.charge_payment(asked("50.00")).payment
    page = admin.get("/admin/payments/payment/").content.decode()
    assert f'<span class="nowrap">{payment.reference}</span>' in page
    assert '<span class="nowrap">50.00 USD</span>' in page
    assert "nav-sidebar" not in page
