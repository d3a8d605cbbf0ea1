"""Importing, for the tests: files as text, one call, and what the ledger holds afterwards."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payment_service.payments.importing import run as running
from payment_service.payments.models import Payment, Refund
from servicekit.events.models import Event

HEADER = "payment_id,order_id,amount,method,status,reference,created_at,refunded"
ROW = "7,342,561.00,CARD,SUCCESS,ECI20251110-0A1B2C3D,2025-11-10 12:05:00,0"


@dataclass(frozen=True)
class Done:
    """What a run printed, and its exit status."""

    status: int
    out: str
    err: str


def row(**cells: Any) -> str:
    """A good row, with some cells changed."""
    return ",".join(str(cells.get(name, cell)) for name, cell in zip(HEADER.split(","), ROW.split(","), strict=True))


def numbered(count: int, *, first: int = 1) -> list[str]:
    """Good rows that do not clash."""
    return [
        row(payment_id=n, order_id=1000 + n, amount=f"{n}.50", reference=f"REF-{n}")
        for n in range(first, first + count)
    ]


def text_of(rows: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in [HEADER, *rows])


class Importer:
    """Writes a file and imports it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "payments.csv"
        self.report = folder / "report.csv"

    def __call__(self, content: str | bytes | Sequence[str], *options: str) -> Done:
        """Import a whole file, or the rows below the usual header."""
        if isinstance(content, str | bytes):
            self.file.write_bytes(content.encode() if isinstance(content, str) else content)
        else:
            self.file.write_bytes(text_of(content).encode())
        return self.again(*options)

    def again(self, *options: str) -> Done:
        return command(str(self.file), *options)


def command(*arguments: str) -> Done:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_payments", *arguments, stdout=out, stderr=err)
        status = 0
    except CommandError as refusal:
        err.write(str(refusal))
        status = refusal.returncode
    except SystemExit as end:
        status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


def ledger() -> list[tuple[Any, ...]]:
    """Every payment, without its random id and the moment of the import."""
    left_out = ("uid", "updated_at")
    names = [field.attname for field in Payment._meta.concrete_fields if field.attname not in left_out]
    return list(Payment.objects.order_by("number").values_list(*names))


def counts() -> tuple[int, int, int]:
    """Payments, events, refunds."""
    return Payment.objects.count(), Event.objects.count(), Refund.objects.count()


def forget_all() -> None:
    Refund.objects.all().delete()
    Payment.objects.all().delete()
    Event.objects.all().delete()


def in_batches_of(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows each, until the patch ends."""
    defaults = running.Run.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "batch", size)
