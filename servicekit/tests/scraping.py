"""`/metrics`, read as Prometheus reads it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Samples: TypeAlias = Mapping[tuple[str, ...], float]


def scrape_samples(get: Callable[[str], Any]) -> Samples:
    """Every sample of one scrape: {(name, label values in the order of their names): value}."""
    answer = get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }
