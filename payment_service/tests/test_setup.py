"""What is around the doors: settings checks, OpenAPI, admin, migrations and the worker's command."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from payment_service import settings as ours
from payment_service.payments.gateways import registry
from payment_service.payments.ops import checks
from payment_service.payments.use_cases import charging
from payment_service.settings import HERE
from payment_service.tests.conftest import asked, trail
from payment_service.tests.fakes import FakeGateway
from servicekit.events.models import Event
from servicekit.idempotency.meaning import AMOUNTS
from servicekit.observability import actor
from servicekit.settings import env as environment
from servicekit.tests.bodies import amounts_taken
from servicekit.tests.documents import assert_openapi_is_current
from servicekit.tests.examples import assert_the_example_names_every_variable
from servicekit.tests.looking import (
    assert_every_list_is_a_read,
    assert_every_post_takes_a_key,
    assert_nothing_hidden_can_be_probed,
)


def test_the_committed_openapi_document_is_current() -> None:
    """To the byte; the message has the command that makes it anew."""
    assert_openapi_is_current("payment_service")


def test_the_documentation_has_no_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """Every operation says what it takes and answers."""
    call_command("spectacular", file="/dev/null", validate=True, fail_on_warn=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("table", "ids"),
    [
        ({"DIRECT": "direct", "CARD": "direct"}, []),
        ({"DIRECT": "direct", "CARD": "nobody"}, ["payments.E001"]),
        ({"DIRECT": "direct", "CARD": "direct", "card": "direct"}, ["payments.E002"]),
        ({"DIRECT": "direct", "CARD": "direct", "A" * 17: "direct"}, ["payments.E002"]),
        ({"CARD": "direct"}, ["payments.E003"]),
        ({"DIRECT": "direct"}, ["payments.E003"]),
        ({"DIRECT": "direct", "CARD": "direct", "STRIPE": "stripe"}, ["payments.E004"]),
    ],
)
def test_a_wrong_gateway_table_is_a_system_check_error(settings: Any, table: dict[str, str], ids: list[str]) -> None:
    """Said at the start, not at the first payment."""
    settings.PAYMENT_GATEWAYS = table
    assert [error.id for error in checks.gateways_are_known()] == ids


def test_every_gateway_is_in_the_guide() -> None:
    """One row of its table for each, and no row for one that does not exist."""
    guide = (HERE.parent / "docs" / "gateways.md").read_text()
    table = guide.partition("| Gateway | What it is |\n|---|---|\n")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(registry.names())


def test_the_first_clients_variables_name_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """`MYSQL_*`, with that service's own values where one is not set; a `DB_*` says more."""
    for name in (*environment._ADDRESS.values(), "DB_ENGINE", "DB_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MYSQL_PASSWORD", "mine")

    def found() -> tuple[str, ...]:
        database = environment.database(ours.env, default_sqlite=HERE / "db.sqlite3", also=ours._MYSQL)
        return tuple(database.get(part, "") for part in ("ENGINE", "HOST", "PORT", "NAME", "USER", "PASSWORD"))

    assert found() == ("servicekit.db.mysql", "127.0.0.1", "", "ecommerce", "root", "mine")
    for name, value in {"HOST": "db", "PORT": "3308", "DB": "payments", "USER": "me"}.items():
        monkeypatch.setenv(f"MYSQL_{name}", value)
    assert found() == ("servicekit.db.mysql", "db", "3308", "payments", "me", "mine")
    monkeypatch.setenv("DB_ENGINE", "django.db.backends.postgresql")
    assert found() == ("django.db.backends.postgresql", "", "", "payment_service", "", "")


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_the_example_names_every_variable(ours, "payment_service", monkeypatch, also="MYSQL_")


@pytest.mark.django_db
def test_the_worker_runs_each_job_once(gateway: FakeGateway) -> None:
    """`worker --once` finds out what is due, and publishes what happened."""
    gateway.script = ["lost"]
    actor.act_as("shop")
    charging.charge_payment(asked())
    out = StringIO()
    call_command("worker", once=True, stdout=out)
    assert Event.objects.get(type="payment.successful").actor == "worker"  # nobody waited for what it has found out
    assert out.getvalue().splitlines()[:4] == ["payments: 1", "refunds: 0", "notices: 0", "relay: 1"]
    assert trail() == ["payment.successful"]
    assert Event.objects.filter(published_at=None).count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("model", ["payment", "refund"])
def test_the_admin_only_shows(admin_client: Client, model: str) -> None:
    """Searchable and filterable, and nothing can be added by hand."""
    url = f"/admin/payments/{model}/"
    assert admin_client.get(url, {"q": "x"}).status_code == 200
    assert admin_client.get(f"{url}add/").status_code == 403


def test_every_list_has_slots_of_its_own() -> None:
    """A read never takes a slot from what moves something."""
    assert_every_list_is_a_read()


@pytest.mark.django_db
def test_staff_cannot_probe_what_the_admin_hides(admin_client: Client) -> None:
    """Tokens, keys and whatever else is in a column: 400 for every filter that is not beside the list."""
    assert_nothing_hidden_can_be_probed(admin_client)


def test_each_amount_in_a_body_is_known_as_one_to_the_idempotency_keys() -> None:
    """By its name, so that a repeat may spell it in another way."""
    assert "amount" in amounts_taken()
    unknown = sorted(amounts_taken() - AMOUNTS)
    assert not unknown, f"AMOUNTS of servicekit/idempotency/meaning.py must have {', '.join(unknown)}"


@pytest.mark.django_db
def test_every_post_takes_an_idempotency_key(client: Client) -> None:
    """A repeat never does a thing twice, whichever operation it repeats."""
    assert_every_post_takes_a_key(client)
