"""helm and kubectl, and a namespace that takes only what Pod Security's `restricted` lets in."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
HELM: Final = ROOT / "helm"
CHARTS: Final = ("order-service", "payment-service", "product-stub")
# Longer than anything takes that comes to an end at all.
PATIENCE_S: Final = 180

Values = dict[str, Any]


class Failed(Exception):
    """What the program said."""


def kubectl(*arguments: str, given: str | None = None) -> str:
    return _run("kubectl", *arguments, given=given)


def _run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode:
        raise Failed(done.stderr)
    return done.stdout


class Namespace:
    """One of its own for a test, with the Secrets that the charts ask for."""

    def __init__(self, name: str) -> None:
        self.name = name
        levels = ("enforce", "warn", "audit")
        labels = {f"pod-security.kubernetes.io/{level}": "restricted" for level in levels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for chart in CHARTS:
            secret = {"metadata": {"name": f"{chart}-database"}, "stringData": {"password": "secret"}}
            self.apply({"apiVersion": "v1", "kind": "Secret", **secret})
        # What is there by itself before the first pod may be made.
        kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=60s")

    def apply(self, found: Values) -> None:
        space = [] if found["kind"] == "Namespace" else [f"--namespace={self.name}"]
        kubectl("apply", "--filename=-", *space, given=json.dumps(found))

    def helm(self, action: str, chart: Path | str, values: Values | None = None, *options: str) -> str:
        """`install`, `upgrade`, ... of the release `shop`; returns what helm says, the notes among it."""
        given = yaml.safe_dump(values or {})
        command = ["helm", action, "shop", str(chart), f"--namespace={self.name}", *options]
        return _run(*command, *(["--values=-"] if values is not None else []), given=given)

    def hooks(self) -> str:
        return _run("helm", "get", "hooks", "shop", f"--namespace={self.name}")

    def template(self, values: Path) -> str:
        return _run("helm", "template", "shop", str(HELM / "shop"), f"--namespace={self.name}", f"--values={values}")

    def get(self, kind: str, *options: str) -> list[Values]:
        text = kubectl("get", kind, f"--namespace={self.name}", "--output=json", *options)
        found: list[Values] = json.loads(text)["items"]
        return found

    def one(self, kind: str, name: str) -> Values:
        (found,) = (each for each in self.get(kind) if each["metadata"]["name"] == name)
        return found

    def complaints(self) -> list[str]:
        """What the cluster had to say against pods of ours, which no exit status of helm's shows.

        A pod that has found its node in the end may have waited for its volume.
        """
        events = self.get("events")
        placed = {each["involvedObject"]["name"] for each in events if each["reason"] == "Scheduled"}
        reasons = ("FailedCreate", "FailedMount", "FailedScheduling")
        return [
            each["message"]
            for each in events
            if each["reason"] in reasons
            and not (each["reason"] == "FailedScheduling" and each["involvedObject"]["name"] in placed)
        ]


def on_servers(**more: Values) -> Values:
    """Values for helm/shop on database servers; `more` by the chart's name with an underscore."""
    return {
        chart: {
            "database": {"engine": "postgresql", "host": "db", "existingSecret": f"{chart}-database"},
            **more.get(chart.replace("-", "_"), {}),
        }
        for chart in CHARTS
    }
