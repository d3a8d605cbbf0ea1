"""docker-compose.observability.yml: what watches finds what it is to read, and each service and worker is asked."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests import compose, observing
from tests.compose import ROOT, WATCHED

FOLDER: Final = ROOT / "compose" / "observability"
WATCHERS: Final = {"prometheus", "alertmanager", "grafana", "otel-collector", "traces"}
# The page is a client of the services, and what it does shows in their metrics and traces: it has none of its own.
CLIENTS: Final = {"console"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose.by_ourselves(WATCHED, {})["services"]
    return found


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _watched(services: dict[str, Any]) -> set[str]:
    return {name for name in services.keys() - WATCHERS - CLIENTS if not name.endswith("-migrate")}


def test_every_watcher_is_there_with_an_exact_version(services: dict[str, Any]) -> None:
    """And reachable from this machine only."""
    assert set(services) >= WATCHERS
    for name in WATCHERS:
        assert re.fullmatch(r"[a-z-]+/[a-z-]+:v?\d+\.\d+\.\d+", services[name]["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in services[name].get("ports", ())), name


def test_what_they_read_is_there(services: dict[str, Any]) -> None:
    """Each file and folder that is mounted."""
    mounted = [volume.split(":")[0] for name in WATCHERS for volume in services[name].get("volumes", ())]
    own = [path for path in mounted if path.startswith("./")]
    assert len(own) >= 6
    assert not [path for path in own if not (ROOT / path).exists()]


def test_prometheus_asks_every_service_and_every_worker(services: dict[str, Any]) -> None:
    """At the ports on which they answer; promtool takes the file."""
    asked = {
        target.split(":")[0]: int(target.split(":")[1])
        for job in _read(FOLDER / "prometheus.yml")["scrape_configs"]
        for target in job["static_configs"][0]["targets"]
    }
    ours = _watched(services)
    assert set(asked) == ours
    for name in ours:
        if name.endswith("-worker"):
            assert services[name]["command"].endswith(f"--metrics-port {asked[name]}")
    checked = observing.promtool("check", "config", "--syntax-only", FOLDER / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alertmanager_takes_its_routes() -> None:
    """And holds back only alerts that there are, for causes that there are."""
    done = subprocess.run(
        [observing.TOOL, "run", "amtool", "check-config", observing.FOLDER / "alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for rule in _read(observing.FOLDER / "alertmanager.yml")["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            patterns = matcher.split('"')[1]
            for pattern in re.split(r"\|(?![^(]*\))", patterns):
                assert any(re.fullmatch(pattern, name) for name in observing.alerts()), pattern


def test_every_service_sends_its_traces_to_the_collector(services: dict[str, Any]) -> None:
    """Which keeps those that failed, by attributes that there are."""
    for name in _watched(services):
        assert services[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4318", name
    policies = _read(FOLDER / "otel-collector.yml")["processors"]["tail_sampling"]["policies"]
    keys = [policy["string_attribute"]["key"] for policy in policies if policy["type"] == "string_attribute"]
    assert keys
    assert set(keys) <= set(observing.contract()["attributes"])


def test_grafana_has_the_dashboards_and_what_they_ask() -> None:
    """From the folder of the four, and a Prometheus among its sources."""
    provider = _read(FOLDER / "grafana" / "dashboards.yml")["providers"][0]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    sources = {each["type"]: each["url"] for each in _read(FOLDER / "grafana" / "datasources.yml")["datasources"]}
    assert sources["prometheus"] == "http://prometheus:9090"
    assert set(sources) == {"prometheus", "alertmanager", "jaeger"}
