"""What helm makes of a chart and values: objects, or the sentence with which it refuses."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
HELM: Final = ROOT / "helm"
CHARTS: Final = ("order-service", "payment-service", "product-stub", "notify-service", "shop")
# The kinds of Prometheus' operator.
MONITORING: Final = "monitoring.coreos.com/v1"

# Ten times as fast where libyaml is there.
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Object = dict[str, Any]
Values = Mapping[str, Any]


class Refused(Exception):
    """What helm says instead."""


@cache
def _parsed(chart: str, values: str, options: tuple[str, ...]) -> list[Object]:
    return [each for each in yaml.load_all(_rendered(chart, values, options), Loader=LOADER) if each]


def _rendered(chart: str, values: str, options: tuple[str, ...]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        command = [
            "helm",
            "template",
            "shop",
            str(HELM / chart),
            "--namespace",
            "shop",
            "--values",
            file.name,
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def render(chart: str, values: Values | None = None, *options: str) -> list[Object]:
    """Every object of a release `shop`; options are those of `helm template`."""
    return list(_parsed(chart, json.dumps(values or {}), options))


def example(name: str) -> Values:
    found: Values = yaml.safe_load((HELM / "examples" / f"{name}.yaml").read_text())
    return found


def named(objects: Sequence[Object], kind: str, name: str) -> Object:
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def pods(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """The name of each workload, and the specification of its pods."""
    for each in objects:
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]
        elif each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "CronJob":
            yield each["metadata"]["name"], each["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]
