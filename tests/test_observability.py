"""The contract of what the services tell of themselves: code, guide, dashboards and rules name what it declares."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests import observing
from tests.client import Http
from tests.drills.alerts.faults import FAULTS
from tests.stack import ROOT, SERVICES, Stack

RUNBOOKS = ROOT / "docs" / "runbooks"
OURS = re.compile(r"\b(?!python_|process_)[a-z]+(?:_[a-z]+)+(?:_total|_seconds|_bucket)\b")
# Of other programs' vocabularies, or of Python's.
NOT_OURS = frozenset({"statement_timeout_seconds"})
# Shown where a person looks them up; a panel would say nothing.
WITHOUT_A_PANEL = frozenset[str]()


def test_every_metric_is_declared() -> None:
    """With its type, its labels and its sentence; and nothing is declared that the code does not make."""
    declared, made = observing.contract()["metrics"], observing.metrics_in_the_code()
    assert len(made) > 40
    problems = [f"{each.where}: {each.name} is not declared" for each in made if each.name not in declared]
    problems += [f"{name} is declared, and nothing makes it" for name in set(declared) - {each.name for each in made}]
    for each in made:
        promised = declared.get(each.name, {})
        said = {"type": each.type, "labels": list(each.labels), "meaning": each.meaning or promised.get("meaning")}
        problems += [
            f"{each.where}: {each.name} has the {what} {value!r}, declared is {promised[what]!r}"
            for what, value in said.items()
            if promised and promised[what] != value
        ]
    assert not problems, "observability/contract.yaml and the code differ:\n" + "\n".join(problems)


def test_each_has_a_unit_and_says_how_to_read_it() -> None:
    """Seconds are `s` and in the name; of a counter the unit is what is counted."""
    for name, metric in observing.contract()["metrics"].items():
        assert set(metric) == {"type", "unit", "labels", "read", "services", "meaning"}, name
        assert metric["unit"], name
        assert metric["read"] in ("process", "database"), name
        assert (metric["unit"] == "s") == (name.endswith("_seconds") and "_timestamp_" not in name), name
        assert metric["type"] != "counter" or name.endswith("_total"), name


@pytest.mark.parametrize("name", SERVICES)
def test_a_server_emits_what_is_declared(stack: Stack, name: str) -> None:
    """Read as Prometheus reads it: type, labels and sentence of each, and no metric of a service that has it not."""
    http = Http(stack.services[name].url)
    http.get("/health")
    declared = observing.contract()["metrics"]
    families = [
        family
        for family in text_string_to_metric_families(http.get("/metrics").text)
        if not family.name.startswith(("python_", "process_"))
    ]
    assert len(families) > 10
    for family in families:
        full = f"{family.name}_total" if family.type == "counter" else family.name
        metric = declared[full]
        assert metric["services"] == "all" or name in metric["services"], full
        assert (family.type, family.documentation) == (metric["type"], metric["meaning"]), full
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric["labels"]), sample.name


def test_every_metric_is_in_the_guide() -> None:
    """Those of workers and consumers as well; and the pages name none that is not there."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    missing = [name for name in observing.contract()["metrics"] if f"`{name}" not in page]
    assert not missing, f"docs/operating.md, Watching it, does not have {', '.join(missing)}: add a row"
    known = {*observing.series(), *observing.contract()["metrics"]} | NOT_OURS
    for path in (ROOT / "docs").rglob("*.md"):
        if "adr" not in path.parts:
            lost = set(OURS.findall(path.read_text(encoding="utf-8"))) - known
            assert not lost, f"{path.relative_to(ROOT)} names metrics that are not there: {sorted(lost)}"


def test_every_log_line_is_declared() -> None:
    """With its level and its fields; and nothing is declared that is never written."""
    declared, problems = observing.contract()["logs"], []
    for line in observing.log_lines_in_the_code():
        if line.name is None:
            continue
        if line.name not in declared:
            problems.append(f"{line.where}: {line.name} is not declared")
            continue
        promised = declared[line.name]
        if line.level not in promised["level"].split("/"):
            problems.append(f"{line.where}: {line.name} has the level {line.level}, declared is {promised['level']}")
        if surplus := line.fields - set(promised["fields"]):
            problems.append(f"{line.where}: {line.name} has the fields {sorted(surplus)}, which are not declared")
    texts = observing.texts_in_the_code()
    problems += [f"{name} is declared, and nothing writes it" for name in declared if name not in texts]
    assert not problems, "observability/contract.yaml and the code differ:\n" + "\n".join(problems)


def test_every_event_is_declared() -> None:
    """Those of docs/asyncapi/events.yaml, which other tests hold against the code."""
    document = yaml.safe_load((ROOT / "docs" / "asyncapi" / "events.yaml").read_text(encoding="utf-8"))
    assert set(observing.contract()["events"]) == {each["name"] for each in document["components"]["messages"].values()}


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum by (status) (rate(http_request_duration_seconds_count{route='/x'}[5m]))".replace("'", '"'), []),
        ("max(orders_lost) > 0", ["orders_lost is no metric"]),
        ("sum by (colour) (rate(requests_refused_total[5m]))", ["colour is no label of these"]),
        ('orders_cancelled_total{step="reserved"}', ["step is no label of these"]),
        ("http_request_duration_seconds", ["http_request_duration_seconds is no metric"]),
        ("vector(0)", ["it names nothing"]),
    ],
)
def test_what_nobody_emits_is_found(expression: str, wrong: list[str]) -> None:
    """So that the next tests could fail."""
    assert observing.wrong_with(expression) == wrong


@pytest.mark.parametrize("dashboard", observing.DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_names_what_is_emitted(dashboard: Path, tmp_path: Path) -> None:
    """And Prometheus can read each query."""
    found = list(observing.panels(dashboard))
    assert len(found) > 8
    wrong = [f"{title}: {problem}" for title, query in found for problem in observing.wrong_with(query)]
    assert not wrong, f"{dashboard.name} has panels of what nobody emits:\n" + "\n".join(wrong)
    rules = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(found)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = observing.promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stderr


def test_the_dashboards_are_the_four() -> None:
    """Each with a name of its own, a description, and the reader's own Prometheus."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in observing.DASHBOARDS]
    titles = [each["title"] for each in found]
    assert titles == ["Databases and workers", "Money", "Requests", "Saga and events"]
    assert [each["uid"] for each in found] == [path.stem for path in observing.DASHBOARDS]
    for each in found:
        assert each["description"]
        assert {panel["datasource"]["uid"] for panel in each["panels"] if "datasource" in panel} == {"${datasource}"}
        ids = [panel["id"] for panel in each["panels"]]
        assert len(ids) == len(set(ids))


def test_every_metric_has_a_panel() -> None:
    """Whatever is told can be seen."""
    shown = {
        name
        for path in observing.DASHBOARDS
        for _, query in observing.panels(path)
        for name in observing.named(query).metrics
    }
    declared = observing.contract()["metrics"]
    missing = {metric for metric in declared if not any(name.startswith(metric) for name in shown)} - WITHOUT_A_PANEL
    assert not missing, f"no panel shows {sorted(missing)}"


def test_every_rule_names_what_is_emitted() -> None:
    """Alerts and recordings alike."""
    wrong = [
        f"{rule.get('alert', rule.get('record'))}: {problem}"
        for rule in observing.rules()
        for problem in observing.wrong_with(rule["expr"])
    ]
    assert not wrong, "rules of what nobody emits:\n" + "\n".join(wrong)


def test_every_alert_has_its_runbook() -> None:
    """A severity, a sentence, and a page; each page belongs to an alert and is in the list."""
    alerts = observing.alerts()
    assert len(alerts) >= 12
    listed = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
        page = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {name}\n"), name
        assert f"| [{name}]({name}.md) | {rule['labels']['severity']} |" in listed, name
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(alerts)


def test_every_alert_is_tested_for_firing_and_for_silence() -> None:
    """In observability/tests: both, of each."""
    fires, silent = set(), set()
    for path in observing.TESTS:
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            last = {}
            for check in case["alert_rule_test"]:
                last[check["alertname"]] = bool(check["exp_alerts"])
            fires |= {name for name, is_firing in last.items() if is_firing}
            silent |= {name for name, is_firing in last.items() if not is_firing}
    assert fires == set(observing.alerts())
    assert silent == set(observing.alerts())


def test_the_alerts_fire_when_they_should_and_not_otherwise() -> None:
    """By promtool, over made-up series."""
    checked = observing.promtool("check", "rules", *observing.RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = observing.promtool("test", "rules", *observing.TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_fault_of_the_drill_is_named_by_its_runbook() -> None:
    """And each runbook that names a fault names one that there is; the last drill's page has them all, told alone."""
    page = (ROOT / "docs" / "drill-alerts.md").read_text(encoding="utf-8")
    named = {}
    for path in RUNBOOKS.glob("*.md"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for name in re.findall(r"`make drill-alerts`, fault \*([^*]+)\*", text):
            named[name] = path.stem
    assert named == {fault.name: fault.alert for fault in FAULTS}
    for name, alert in named.items():
        assert f"| {name} | [{alert}](runbooks/{alert}.md) | it alone |" in page
