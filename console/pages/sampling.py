"""What the services count, looked at every few seconds and kept for half an hour: what the charts are drawn from."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

import orderpay
from console.pages.services import looking

# Metric, summed over its labels, by the name that it has here; the service that has it.
_SUMS: Final[Mapping[str, tuple[str, str]]] = {
    "placed": ("orders", "orders_placed_total"),
    "paid": ("orders", "orders_paid_total"),
    "cancelled": ("orders", "orders_cancelled_total"),
    "refunded": ("orders", "orders_refunded_total"),
    "unfinished": ("orders", "orders_unfinished"),
    "oldest_s": ("orders", "orders_oldest_unfinished_age_seconds"),
    "awaiting": ("orders", "orders_awaiting_payment"),
    "unsent": ("orders", "events_unsent"),
    "lag_s": ("orders", "events_oldest_unsent_age_seconds"),
    "payments_unsent": ("payments", "events_unsent"),
    "payments_lag_s": ("payments", "events_oldest_unsent_age_seconds"),
}
_REQUESTS: Final = "http_request_duration_seconds"
SERVICES: Final = ("orders", "payments", "products")
_TONES: Final = {"orders": "info", "payments": "wait", "products": "quiet"}
_STOP_AFTER_IDLE_S: Final = 900.0


@dataclass(frozen=True)
class Sample:
    """One look: `values` by their names here, of the services that answered."""

    at: float
    values: Mapping[str, float]


class Sampler:
    """Looks at the metrics while somebody has looked at a chart lately. Safe to share between threads."""

    def __init__(self, read: Callable[[str], str], *, every_s: float, kept_s: float) -> None:
        self._read = read
        self._every_s = every_s
        self._samples: deque[Sample] = deque(maxlen=max(2, int(kept_s / every_s)))
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0

    def samples(self) -> Sequence[Sample]:
        """All that there are, oldest first; the first time one is taken at once."""
        self._wanted_at = time.monotonic()
        with self._lock:
            if self._thread is None:
                self._samples.append(self.take())
                self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
                self._thread.start()
        return list(self._samples)

    def take(self) -> Sample:
        """One look at all services."""
        values: dict[str, float] = {}
        for service in SERVICES:
            values |= self._values_of(service)
        return Sample(time.time(), values)

    def _values_of(self, service: str) -> dict[str, float]:
        """None where it does not answer."""
        try:
            return _values(service, self._read(service))
        except orderpay.OrderPayError:
            return {}

    def _run(self) -> None:
        while time.monotonic() - self._wanted_at < _STOP_AFTER_IDLE_S:
            time.sleep(self._every_s)
            self._samples.append(self.take())
        with self._lock:
            self._thread = None


def _values(service: str, text: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    seconds = requests = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if (
                family.name == _REQUESTS
                and "/health" not in sample.labels.get("route", "")
                and ("metrics" not in sample.labels.get("route", ""))
            ):
                seconds += sample.value if sample.name.endswith("_sum") else 0.0
                requests += sample.value if sample.name.endswith("_count") else 0.0
    found = {name: sums[metric] for name, (at, metric) in _SUMS.items() if at == service and metric in sums}
    return {**found, f"{service}_seconds": seconds, f"{service}_requests": requests}


_sampler: Sampler | None = None
_making = threading.Lock()


def sampler() -> Sampler:
    """The one of this process."""
    global _sampler  # noqa: PLW0603 - made when it is first asked for, with the settings that there are then
    with _making:
        if _sampler is None:
            every_s, kept_s = settings.SAMPLE_EVERY_S, settings.SAMPLES_KEPT_S
            _sampler = Sampler(lambda name: looking().metrics(name), every_s=every_s, kept_s=kept_s)
        return _sampler


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    label: str
    values: Sequence[float | None]
    tone: str


@dataclass(frozen=True)
class Chart:
    """A small chart; `now` is its last value in words."""

    title: str
    unit: str
    times: Sequence[int]
    lines: Sequence[Line]
    now: str


WIDTH, HEIGHT = 240, 56


def points(line: Line, *, top: float) -> str:
    """An SVG polyline's points."""
    count = max(1, len(line.values) - 1)
    placed = [
        f"{place * WIDTH / count:.1f},{HEIGHT - 2 - (value / top if top else 0) * (HEIGHT - 6):.1f}"
        for place, value in enumerate(line.values)
        if value is not None
    ]
    return " ".join(placed)


def charts(samples: Sequence[Sample]) -> list[Chart]:
    """Outcomes a minute, latency, backlog, lag."""
    times = [int(each.at) for each in samples][1:]
    per_minute = [
        Line("paid", _rate(samples, "paid", per=60), "good"),
        Line("cancelled", _rate(samples, "cancelled", per=60), "bad"),
    ]
    latency = [Line(name, _mean_ms(samples, name), tone) for name, tone in _TONES.items()]
    backlog = [
        Line("unfinished orders", _level(samples, "unfinished"), "wait"),
        Line("unsent events", _level(samples, "unsent"), "info"),
    ]
    lag = [
        Line("oldest unfinished order", _level(samples, "oldest_s"), "wait"),
        Line("oldest unsent event", _level(samples, "lag_s"), "info"),
    ]
    return [
        _chart("Outcomes", "per minute", times, per_minute),
        _chart("Time to answer", "ms, mean", times, latency),
        _chart("Backlog", "waiting", times, backlog),
        _chart("Lag", "seconds", times, lag),
    ]


def _chart(title: str, unit: str, times: Sequence[int], lines: Sequence[Line]) -> Chart:
    said = [
        f"{line.label} {round(line.values[-1], 2):g}" for line in lines if line.values and line.values[-1] is not None
    ]
    return Chart(title, unit, times, lines, ", ".join(said) or "no figures yet")


def _rate(samples: Sequence[Sample], name: str, *, per: float) -> list[float | None]:
    """How much a counter rose, in so many seconds; a service that was started anew counts from nothing."""
    found: list[float | None] = []
    for before, after in pairwise(samples):
        if name not in before.values or name not in after.values:
            found.append(None)
            continue
        rise = after.values[name] - before.values[name]
        found.append(round(max(0.0, rise) * per / max(0.001, after.at - before.at), 1))
    return found


def _mean_ms(samples: Sequence[Sample], service: str) -> list[float | None]:
    found: list[float | None] = []
    for before, after in pairwise(samples):
        names = (f"{service}_seconds", f"{service}_requests")
        if any(name not in each.values for each in (before, after) for name in names):
            found.append(None)
            continue
        seconds, count = (after.values[name] - before.values[name] for name in names)
        # Not both risen: another replica answered, or one that was started anew.
        found.append(round(seconds * 1000 / count, 1) if count > 0 and seconds >= 0 else None)
    return found


def _level(samples: Sequence[Sample], name: str) -> list[float | None]:
    return [each.values.get(name) for each in samples][1:]
