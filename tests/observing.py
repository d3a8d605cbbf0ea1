"""What the code, the dashboards and the rules name, read from their text; and promtool."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.stack import ROOT

FOLDER: Final = ROOT / "observability"
SOURCES: Final = ("order_service", "payment_service", "product_stub", "notify_service", "servicekit")
RULES: Final = tuple(sorted((FOLDER / "rules").glob("*.yml")))
DASHBOARDS: Final = tuple(sorted((FOLDER / "dashboards").glob("*.json")))
# What each alert must be tested for, by promtool.
TESTS: Final = tuple(sorted((FOLDER / "tests").glob("*.yml")))
TOOL: Final = ROOT / "scripts" / "prometheus"

# What makes a metric, and which type it is then.
_MAKERS: Final[Mapping[str, str]] = {
    "Counter": "counter",
    "EventCounter": "counter",
    "Histogram": "histogram",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "gauge": "gauge",
}
_SUFFIXES: Final[Mapping[str, Sequence[str]]] = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}
# What Prometheus itself puts on each series, and what it makes of a label that it has as well.
_OF_THE_SCRAPE: Final = frozenset({"job", "instance", "le", "exported_job"})
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_DURATIONS: Final = re.compile(r"\[[^\]]*\]")
_MATCHERS: Final = re.compile(r"\{([^}]*)\}")
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAMES: Final = re.compile(r"(?<![\w:$])[a-zA-Z_:][\w:]*\b(?!\s*\()")
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"})


class Made(NamedTuple):
    """A metric as a line of code makes it. `meaning` is None where it is put together."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str | None
    where: str


class Named(NamedTuple):
    """What an expression names."""

    metrics: frozenset[str]
    labels: frozenset[str]


@cache
def contract() -> Any:
    return yaml.safe_load((FOLDER / "contract.yaml").read_text(encoding="utf-8"))


def series() -> Mapping[str, Mapping[str, Any]]:
    """Each name that can be asked for → the declaration of its metric."""
    declared = contract()["metrics"]
    return {f"{name}{end}": found for name, found in declared.items() for end in _SUFFIXES[found["type"]]}


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            if not {"tests", "migrations"}.intersection(path.relative_to(ROOT).parts):
                tree = ast.parse(path.read_text(encoding="utf-8"))
                yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def metrics_in_the_code() -> list[Made]:
    """Those that are made by name."""
    found = []
    for path, call in _calls():
        maker = call.func.id if isinstance(call.func, ast.Name) else ""
        if maker not in _MAKERS or len(call.args) < 2 or not _is_text(call.args[0]):
            continue
        name, kind = ast.literal_eval(call.args[0]), _MAKERS[maker]
        labels = next((word.value for word in call.keywords if word.arg in ("labels", "label_names")), None)
        if labels is None and maker in ("Counter", "Histogram", "Gauge") and len(call.args) > 2:
            labels = call.args[2]
        found.append(
            Made(
                name=f"{name}_total" if kind == "counter" else name,
                type=kind,
                labels=tuple(ast.literal_eval(labels)) if labels is not None else (),
                meaning=ast.literal_eval(call.args[1]) if _is_text(call.args[1]) else None,
                where=f"{path.relative_to(ROOT)}:{call.lineno}",
            )
        )
    return found


class Logged(NamedTuple):
    """A line of the log as the code writes it. `name` is None where it is no plain text."""

    name: str | None
    level: str
    fields: frozenset[str]
    where: str


def log_lines_in_the_code() -> list[Logged]:
    """Each call of a module's `log`."""
    found = []
    for path, call in _calls():
        function = call.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log":
            name = ast.literal_eval(call.args[0]) if _is_text(call.args[0]) else None
            fields = frozenset(word.arg for word in call.keywords if word.arg) - {"exc_info"}
            level = "error" if function.attr == "exception" else function.attr
            found.append(Logged(name, level, fields, f"{path.relative_to(ROOT)}:{call.lineno}"))
    return found


def texts_in_the_code() -> frozenset[str]:
    """Every piece of text, for names that are not written where they are used."""
    found = set()
    for source in SOURCES:
        for path in (ROOT / source).rglob("*.py"):
            if "tests" not in path.relative_to(ROOT).parts:
                tree = ast.parse(path.read_text(encoding="utf-8"))
                found |= {node.value for node in ast.walk(tree) if _is_text(node)}  # type: ignore[attr-defined]
    return frozenset(found)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def named(expression: str) -> Named:
    """The metrics and labels of a PromQL expression."""
    plain = _DURATIONS.sub("", _STRINGS.sub('""', expression))
    labels = {word for part in _GROUPING.findall(plain) for word in re.findall(r"\w+", part)}
    labels |= {word for part in _MATCHERS.findall(plain) for word in re.findall(r'(\w+)\s*[=!]~?\s*""', part)}
    rest = _MATCHERS.sub("", _GROUPING.sub("", plain))
    words = {word for word in _NAMES.findall(rest) if word.lower() not in _WORDS}
    return Named(frozenset(words), frozenset(labels))


def wrong_with(expression: str) -> list[str]:
    """What an expression names that nobody emits."""
    found, declared, recorded = named(expression), series(), recorded_names()
    wrong = [f"{name} is no metric" for name in sorted(found.metrics - set(declared) - recorded)]
    allowed = {label for name in found.metrics if name in declared for label in declared[name]["labels"]}
    wrong += [f"{label} is no label of these" for label in sorted(found.labels - allowed - _OF_THE_SCRAPE)]
    return wrong + ([] if found.metrics else ["it names nothing"])


@cache
def rules() -> tuple[Any, ...]:
    """Every rule, alerts and recordings, in the order of the files."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return tuple(rule for file in files for group in file["groups"] for rule in group["rules"])


def alerts() -> dict[str, Any]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded_names() -> frozenset[str]:
    return frozenset(rule["record"] for rule in rules() if "record" in rule)


def panels(dashboard: Path) -> Iterator[tuple[str, str]]:
    """(title, expression) of each query."""
    for panel in json.loads(dashboard.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; it is fetched where it is missing and can be."""
    fetched = subprocess.run([TOOL, "fetch"], capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.fail(f"promtool is needed, and cannot be fetched here:\n{fetched.stderr}", pytrace=False)
    command = [str(part) for part in (TOOL, "run", "promtool", *arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
