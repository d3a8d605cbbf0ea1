"""What the last check of the books found, kept where every server of the service finds it: a check is a process of its
own, which has ended when somebody asks for the metrics.
"""

from collections.abc import Iterator

from django.db.models.functions import Now
from prometheus_client.core import Metric

from servicekit.invariants.models import LastCheck
from servicekit.observability.metrics import gauge


def record(violations: int) -> None:
    """Keep what a check found just now, in place of what the one before did."""
    LastCheck.objects.update_or_create(number=LastCheck.ONLY, defaults={"checked_at": Now(), "violations": violations})


def last_check() -> Iterator[Metric]:
    """A reader for `metrics_endpoint.routes`. Nothing where no check was recorded yet."""
    found = LastCheck.objects.filter(pk=LastCheck.ONLY).first()
    if found is None:
        return
    yield gauge("invariants_violated", "Violations of invariants that the last recorded check found.", found.violations)
    when = found.checked_at.timestamp()
    yield gauge("invariants_checked_timestamp_seconds", "When that was, in seconds since 1970.", when)
