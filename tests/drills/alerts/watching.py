"""A real Prometheus and a real Alertmanager beside a stack, and whoever they would have woken.

They read the rules and the routes of observability/, with every time in them made shorter by the same factor: an alert
that waits a minute waits five seconds here, one that looks at an hour looks at five minutes.
"""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from tests.client import Http
from tests.observing import FOLDER, RULES, TOOL
from tests.stack import Process, Stack, base_environment, free_ports, wait_until

FASTER: Final = 12
# What remembers which parts there were must not forget them within a drill.
_KEPT: Final = frozenset({"1d"})
_UNITS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RANGE: Final = re.compile(r"\[(\d+[smhd])\]")
# What is compared with an age is a time as well.
_AGE: Final = re.compile(r"_age_seconds|time\(\) -")
_BOUND: Final = re.compile(r"([<>]) (\d+)\b")
# For consequences to come behind their cause, which is told alone.
_GROUP_WAIT_S: Final = 6


def shortened(duration: str) -> str:
    """`5m` as `25s`; at least two looks long."""
    seconds = int(duration[:-1]) * _UNITS[duration[-1]] / FASTER
    return f"{max(2, round(seconds))}s" if seconds else "0s"


def shortened_rules() -> dict[str, Any]:
    """One file of all rules."""
    groups: list[dict[str, Any]] = []
    for path in RULES:
        groups += yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for group in groups:
        for rule in group["rules"]:
            rule["expr"] = _RANGE.sub(_shorter_range, rule["expr"])
            if _AGE.search(rule["expr"]):
                rule["expr"] = _BOUND.sub(lambda found: f"{found[1]} {int(found[2]) // FASTER}", rule["expr"])
            if "for" in rule:
                rule["for"] = shortened(rule["for"])
    return {"groups": groups}


def _shorter_range(found: re.Match[str]) -> str:
    return found[0] if found[1] in _KEPT else f"[{shortened(found[1])}]"


@dataclass
class Watch:
    """What was told so far, and what Alertmanager knows.

    Attributes:
        told: Alert → when the first word of it came, on `time.monotonic`.
    """

    alertmanager: Http
    told: dict[str, float] = field(default_factory=dict)

    def suppressed(self) -> set[str]:
        """What fires and is not told, because of what it follows from."""
        found = self.alertmanager.get("/api/v2/alerts").json
        return {each["labels"]["alertname"] for each in found if each["status"]["state"] == "suppressed"}


@contextmanager
def watching(stack: Stack, folder: Path) -> Iterator[Watch]:
    """Both, over the three services of the stack."""
    prometheus_port, alertmanager_port = free_ports(2)
    watch = Watch(Http(f"http://127.0.0.1:{alertmanager_port}"))
    with ExitStack() as ending:
        receiver = ending.enter_context(_receiving(watch))
        _write(folder, stack, receiver=receiver, alertmanager_port=alertmanager_port)
        for name, arguments in (
            (
                "alertmanager",
                [
                    f"--config.file={folder}/alertmanager.yml",
                    f"--storage.path={folder}/alertmanager",
                    f"--web.listen-address=127.0.0.1:{alertmanager_port}",
                    "--cluster.listen-address=",
                ],
            ),
            (
                "prometheus",
                [
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/prometheus",
                    f"--web.listen-address=127.0.0.1:{prometheus_port}",
                ],
            ),
        ):
            process = Process(
                name, [str(TOOL), "run", name, *arguments], environment=base_environment(), log=folder / f"{name}.log"
            )
            process.start()
            ending.callback(process.kill)
        wait_until(lambda: watch.alertmanager.has("/-/ready"), what="Alertmanager")
        wait_until(lambda: Http(f"http://127.0.0.1:{prometheus_port}").has("/-/ready"), what="Prometheus")
        yield watch


def _write(folder: Path, stack: Stack, *, receiver: str, alertmanager_port: int) -> None:
    (folder / "rules.yml").write_text(yaml.safe_dump(shortened_rules()))
    prometheus = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}]},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}]}
            for name, service in stack.services.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus))
    told = yaml.safe_load((FOLDER / "alertmanager.yml").read_text(encoding="utf-8"))
    told["route"] |= {"group_wait": f"{_GROUP_WAIT_S}s", "group_interval": "5s"}
    for each in told["receivers"]:
        each["webhook_configs"] = [{"url": receiver, "send_resolved": False}]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(told))


@contextmanager
def _receiving(watch: Watch) -> Iterator[str]:
    """Whoever is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for alert in body["alerts"]:
                watch.told.setdefault(alert["labels"]["alertname"], time.monotonic())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
