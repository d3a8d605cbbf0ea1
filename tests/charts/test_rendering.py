"""What the charts make of each values file that is offered: for every version of Kubernetes, and as promised."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

import start
from tests.charts import rendering
from tests.charts.rendering import MONITORING, Object, containers, example, named, of_kind, pods, render

EXAMPLES: Final = ("postgresql", "everything", "open")
# From the oldest that Chart.yaml names; one with a newer schema between, and the newest that there is a schema of.
VERSIONS: Final = ("1.25", "1.29", "1.33", "1.37")
# Of operators and of the Gateway API: nobody ships a schema of theirs with Kubernetes' own.
WITHOUT_SCHEMA: Final = ("ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute")
WAYS: Final = [
    ("shop", None),
    *(("shop", name) for name in EXAMPLES),
    *((chart, None) for chart in rendering.CHARTS[:3]),
]
SERVICES: Final = ("order-service", "payment-service", "product-stub", "notify-service")


def all_of(chart: str, name: str | None, *options: str) -> list[Object]:
    return render(chart, example(name) if name else {}, *options)


@pytest.fixture(params=WAYS, ids=[f"{chart}, {name or 'as it is'}" for chart, name in WAYS])
def objects(request: pytest.FixtureRequest) -> list[Object]:
    chart, name = request.param
    return all_of(chart, name, "--api-versions", MONITORING, "--kube-version", "1.33")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("is_upgrade", [False, True], ids=["install", "upgrade"])
def test_every_version_of_kubernetes_knows_each_field(
    version: str, monkeypatch: pytest.MonkeyPatch, *, is_upgrade: bool
) -> None:
    """Strictly: a field that a version does not know would be dropped in silence."""
    # It would read a megabyte of definitions again for each object.
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
    options = ["--kube-version", version, *(["--is-upgrade"] if is_upgrade else [])]
    found = [each for name in (None, *EXAMPLES) for each in all_of("shop", name, *options)]
    distinct = {json.dumps(each, sort_keys=True): each for each in found if each["kind"] not in WITHOUT_SCHEMA}
    for each in distinct.values():
        kubernetes_validate.validate(each, version, strict=True)
    assert len(distinct) > 100


def test_every_pod_may_do_nothing_but_its_work(objects: list[Object]) -> None:
    """As Pod Security's `restricted` has it, and more: no token, a root that cannot be written. Jobs and tests too."""
    for name, pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False, name
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["seccompProfile"]) == (True, {"type": "RuntimeDefault"}), name
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (name, container["name"])


def test_every_container_has_its_memory_and_no_limit_on_processors(objects: list[Object]) -> None:
    for name, pod in pods(objects):
        for container in containers(pod):
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, (name, container["name"])
            assert set(resources["limits"]) == {"memory"}, (name, container["name"])


def test_no_image_floats(objects: list[Object]) -> None:
    for name, pod in pods(objects):
        for container in containers(pod):
            image = container["image"]
            assert re.search(r"(:[0-9]+\.[0-9]+\.[0-9]+|@sha256:[0-9a-f]{64})$", image), (name, image)


def test_no_secret_stands_in_what_helm_keeps_but_the_keys_that_it_makes(objects: list[Object]) -> None:
    """Passwords are in Secrets of yours; pods find them as files."""
    for name, pod in pods(objects):
        for container in containers(pod):
            told = {each["name"]: each["value"] for each in container.get("env", [])}
            secret = {variable for variable in told if re.search("PASSWORD|SECRET|KEY", variable)}
            assert {variable for variable in secret if not variable.endswith("_FILE")} == set(), name
    for each in of_kind(objects, "ConfigMap"):
        assert not [key for key in each["data"] if re.search("PASSWORD|SECRET|KEY", key) and not key.endswith("_FILE")]
    assert all(each["metadata"]["name"].endswith("-keys") for each in of_kind(objects, "Secret"))


def test_every_file_that_a_pod_is_told_of_is_mounted(objects: list[Object]) -> None:
    """A service whose password's file is not there does not start."""
    config = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    for name, pod in pods(objects):
        volumes = {each["name"]: each for each in pod["volumes"]}
        sources = volumes.get("secrets", {}).get("projected", {}).get("sources", [])
        there = {f"/run/secrets/service/{item['path']}" for source in sources for item in source["secret"]["items"]}
        for container in containers(pod):
            told = {each["name"]: each["value"] for each in container.get("env", [])}
            for source in container.get("envFrom", []):
                told |= config[source["configMapRef"]["name"]]
            files = {value for value in told.values() if str(value).startswith("/run/secrets/")}
            files |= set(re.findall(r"/run/secrets/service/\S+", " ".join(container.get("command", []))))
            assert files <= there, (name, container["name"])
            assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes), name


def test_a_selector_has_no_version_in_it(objects: list[Object]) -> None:
    """It cannot be changed: the next upgrade would fail."""
    for each in of_kind(objects, "Deployment"):
        selector = each["spec"]["selector"]["matchLabels"]
        assert set(selector) == {f"app.kubernetes.io/{label}" for label in ("name", "instance", "component")}
        assert selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()


def test_every_pod_of_ours_has_a_policy_and_each_component_one(objects: list[Object]) -> None:
    policies = [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(objects, "NetworkPolicy")]
    for each in of_kind(objects, "Deployment", "Job", "CronJob"):
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert [policy for policy in policies if policy.items() <= labels.items()], each["metadata"]["name"]


def test_a_server_is_watched_at_its_own_port_and_leaves_in_good_order() -> None:
    pod = named(render("order-service"), "Deployment", "shop-order-service")["spec"]["template"]["spec"]
    web = next(each for each in pod["containers"] if each["name"] == "web")
    assert web["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "health"}
    assert web["readinessProbe"]["httpGet"] == {"path": "/health", "port": "health"}
    assert web["startupProbe"]["httpGet"] == {"path": "/health/live", "port": "health"}
    assert web["lifecycle"]["preStop"] == {"exec": {"command": ["sleep", "5"]}}
    # Before the kill: hear of it, drain, and answer an order that came last.
    assert pod["terminationGracePeriodSeconds"] == 60 > 5 + 5 + 17


@pytest.mark.parametrize("component", ["worker", "consumer"])
def test_a_loop_has_a_sign_of_life_that_its_probe_reads(component: str) -> None:
    deployment = named(render("shop", example("everything")), "Deployment", f"shop-order-service-{component}")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    command = container["command"]
    assert command[command.index("--heartbeat") + 1] == "/tmp/heartbeat"
    assert container["livenessProbe"]["exec"]["command"] == [
        *("python", "-m", "servicekit.runtime.heartbeat"),
        "/tmp/heartbeat",
    ]


def test_with_a_database_server_pods_wait_for_the_job_that_migrates() -> None:
    """An ordinary Job at the first install, a hook before an upgrade."""
    first = render("shop", example("postgresql"))
    for chart in SERVICES[:3]:
        jobs = [each for each in of_kind(first, "Job") if each["metadata"]["name"].startswith(f"shop-{chart}-migrate-")]
        assert [each["metadata"].get("annotations") for each in jobs] == [None]
        for name in (f"shop-{chart}", f"shop-{chart}-worker"):
            (wait,) = named(first, "Deployment", name)["spec"]["template"]["spec"]["initContainers"]
            assert wait["command"] == ["python", "-m", "servicekit.storage.waiting", chart.replace("-", "_")]
    later = render("shop", example("postgresql"), "--is-upgrade")
    for chart in SERVICES[:3]:
        hook = named(later, "Job", f"shop-{chart}-upgrade")
        assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
        # When it fails its pod stays, with the log.
        assert hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation"
        # It runs before anything else of its version is there.
        (container,) = hook["spec"]["template"]["spec"]["containers"]
        assert "envFrom" not in container
        assert {"name": "DB_HOST", "value": "postgresql.databases"} in container["env"]
    assert len(of_kind(first, "Job")) == len(of_kind(later, "Job")) == 3


@pytest.mark.parametrize("chart", SERVICES[:3])
def test_the_books_are_checked_by_a_timer(chart: str) -> None:
    """Nobody else records what the alert on violated invariants reads. On SQLite beside the pod that has the file."""
    ways: tuple[dict[str, Any], ...] = ({}, example("postgresql")[chart])
    for values in ways:
        job = named(render(chart, values), "CronJob", f"shop-{chart}-books")["spec"]
        assert job["concurrencyPolicy"] == "Forbid"
        (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        command = f"python {chart.replace('-', '_')}/manage.py check_invariants --record || [ $? = 2 ]"
        assert container["command"] == ["sh", "-c", command]
        pod = job["jobTemplate"]["spec"]["template"]["spec"]
        assert ("affinity" in pod) == (not values)
    assert of_kind(render(chart, {"books": {"enabled": False}}), "CronJob") == []


def test_the_admin_believes_forms_of_where_it_is_reached() -> None:
    """Behind TLS that ends before it, it would refuse each; and its cookies are not for http."""
    way: dict[str, Any] = {"enabled": True, "host": "shop.example.org", "tls": {"enabled": True, "secretName": "tls"}}
    admin = {"admin": {"enabled": True}, "secretKey": {"existingSecret": "signs"}}

    def told(**values: Any) -> tuple[Any, Any]:
        data = named(render("order-service", {**admin, **values}), "ConfigMap", "shop-order-service")["data"]
        return data.get("CSRF_TRUSTED_ORIGINS"), data.get("SECURE_COOKIES")

    both = ["/api/orders", "/admin"]
    assert told(ingress={**way, "paths": both}) == ("https://shop.example.org", "true")
    assert told(ingress=way) == (None, None)  # it is not reached there
    own = {"SECURE_COOKIES": "false", "CSRF_TRUSTED_ORIGINS": "https://other.example.org"}
    assert told(ingress={**way, "paths": both}, config=own) == ("https://other.example.org", "false")
    route: dict[str, Any] = {
        "enabled": True,
        "parentRefs": [{"name": "front"}],
        "hostnames": ["a.example.org", "b.example.org"],
    }
    assert told(httpRoute={**route, "paths": ["/"]}) == ("https://a.example.org,https://b.example.org", "true")


def egress(objects: list[Object], name: str) -> dict[int, Any]:
    """Of a policy: to whom each port is open; None is everybody."""
    rules = named(objects, "NetworkPolicy", name)["spec"]["egress"]
    return {port["port"]: rule.get("to") for rule in rules for port in rule["ports"]}


def test_webhooks_reach_the_internet_and_nobody_at_home() -> None:
    """From the worker alone, which delivers them; on SQLite that is a container of the one pod."""
    found = render("shop", example("postgresql"))
    for chart in ("order-service", "payment-service"):
        world, world_v6 = egress(found, f"shop-{chart}-worker")[443]
        assert world["ipBlock"]["cidr"] == "0.0.0.0/0"
        assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(world["ipBlock"]["except"])
        assert world_v6["ipBlock"]["except"] == ["fc00::/7", "fe80::/10"]
        assert 443 not in egress(found, f"shop-{chart}-web")
        assert 443 in egress(render(chart), f"shop-{chart}-web")
    assert 443 not in egress(found, "shop-product-stub-worker")
    nobody = render("order-service", {"networkPolicy": {"webhooks": []}})
    assert 443 not in egress(nobody, "shop-order-service-web")


def test_mails_reach_their_server_at_its_port() -> None:
    """Which is 25 unless another is named; nobody else is reached there."""
    values: dict[str, Any] = {"kafka": {"bootstrapServers": "kafka:9092"}}
    assert 25 not in egress(render("notify-service", values), "shop-notify-service-consumer")
    for config, port in (({"EMAIL_HOST": "mail"}, 25), ({"EMAIL_HOST": "mail", "EMAIL_PORT": 587}, 587)):
        found = render("order-service", {"config": {**config, "WEBHOOK_MAIL_TO": "us@example.org"}})
        assert port in egress(found, "shop-order-service-web")


def test_other_settings_are_another_job() -> None:
    """A Job cannot be changed, so tools that apply what `helm template` makes need another name."""
    values: dict[str, Any] = dict(example("postgresql"))
    before = {each["metadata"]["name"] for each in of_kind(render("shop", values), "Job")}
    newer = {name: {**value, "image": {"tag": "9.9.9"}} for name, value in values.items()}
    after = {each["metadata"]["name"] for each in of_kind(render("shop", newer), "Job")}
    assert before & after == set()


def test_on_sqlite_all_of_a_service_is_one_pod_that_is_never_there_twice() -> None:
    found = render("shop")
    assert {each["metadata"]["name"] for each in of_kind(found, "Deployment")} == {
        f"shop-{name}" for name in SERVICES[:3]
    }
    for each in of_kind(found, "Deployment"):
        spec = each["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        pod = spec["template"]["spec"]
        assert [container["name"] for container in containers(pod)] == ["migrate", "web", "worker"]
    assert of_kind(found, "Job", "PodDisruptionBudget", "HorizontalPodAutoscaler") == []


def test_a_pod_is_replaced_only_when_the_next_one_is_ready() -> None:
    for each in of_kind(render("shop", example("postgresql")), "Deployment"):
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_where_the_autoscaler_decides_nobody_else_says_how_many() -> None:
    found = render("shop", example("everything"))
    assert "replicas" not in named(found, "Deployment", "shop-order-service")["spec"]
    scaler = named(found, "HorizontalPodAutoscaler", "shop-order-service")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    names = [each.get("resource", each.get("pods", {}).get("metric"))["name"] for each in scaler["metrics"]]
    assert names == ["cpu", "requests_refused_per_second", "request_wait_seconds_average"]


def test_the_processes_follow_from_the_processors() -> None:
    config = named(render("shop", example("everything")), "ConfigMap", "shop-order-service")["data"]
    assert config["SERVER_WORKERS"] == "2"


def test_a_change_of_what_a_service_is_told_starts_its_pods_anew() -> None:
    def checksum(**config: str) -> str:
        found = named(render("order-service", {"config": config}), "Deployment", "shop-order-service")
        return str(found["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum()
    assert checksum() != checksum(LOG_LEVEL="DEBUG")


def test_the_old_name_of_a_value_works_for_one_minor_version() -> None:
    """And says so: NOTES.txt, which only an install shows, has the sentence."""
    found = render("order-service", {"replicaCount": 0})
    assert named(found, "Deployment", "shop-order-service")["spec"]["replicas"] == 1  # SQLite's one pod
    server = {"database": {"engine": "postgresql", "host": "db", "existingSecret": "db"}}
    found = render("order-service", {**server, "replicaCount": 5})
    assert named(found, "Deployment", "shop-order-service")["spec"]["replicas"] == 5


def test_nothing_is_there_for_kinds_that_the_cluster_does_not_know() -> None:
    without, with_them = (render("shop", example("everything"), *more) for more in ((), ("--api-versions", MONITORING)))
    assert of_kind(without, "ServiceMonitor", "PodMonitor", "PrometheusRule") == []
    assert len(of_kind(with_them, "ServiceMonitor")) == 3
    assert len(of_kind(with_them, "PodMonitor")) == 4


def test_alerts_and_dashboards_go_out_as_they_are() -> None:
    """Whatever is in observability/ is in the release, and nothing else."""
    found = render("shop", example("everything"), "--api-versions", MONITORING)
    folder = rendering.ROOT / "observability"
    rules = {path.stem for path in folder.glob("rules/*.yml")}
    assert {each["metadata"]["name"] for each in of_kind(found, "PrometheusRule")} == {f"shop-{name}" for name in rules}
    for each in of_kind(found, "PrometheusRule"):
        assert set(each["spec"]) == {"groups"}
        for rule in (rule for group in each["spec"]["groups"] for rule in group["rules"] if "alert" in rule):
            page = f"docs/runbooks/{rule['alert']}.md"
            assert rule["annotations"]["runbook_url"] == f"https://git.example.org/shop/blob/main/{page}"
    boards = {path.name: json.loads(path.read_text()) for path in folder.glob("dashboards/*.json")}
    shipped = [
        each for each in of_kind(found, "ConfigMap") if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    assert {name: json.loads(text) for each in shipped for name, text in each["data"].items()} == boards


def made_keys(container: Object) -> Iterator[tuple[str, str, str]]:
    """Of a migration: name, scopes and entry of each key that it makes."""
    pattern = r"keys create (\S+) --scope (\S+) --from-file /run/secrets/service/(\S+) --if-missing"
    yield from re.findall(pattern, container["command"][-1])


def test_each_service_gets_a_key_at_each_that_it_asks() -> None:
    """With the scopes that `make run` gives it, and by the entry from which its peer reads it."""
    found = render("shop")
    config = {chart: named(found, "ConfigMap", f"shop-{chart}")["data"] for chart in SERVICES[:3]}
    for key in start.SERVICE_KEYS:
        at, holder = key.at.replace("_", "-"), key.holder.replace("_", "-")
        pod = named(found, "Deployment", f"shop-{at}")["spec"]["template"]["spec"]
        (made,) = (each for each in made_keys(pod["initContainers"][0]) if each[0] == key.name)
        assert set(made[1].split(",")) == set(key.scopes)
        assert config[holder][f"{key.variable}_FILE"] == f"/run/secrets/service/{made[2]}"
        assert made[2] in named(found, "Secret", "shop-keys")["data"]


def test_a_chart_by_itself_makes_a_key_for_its_first_client_alone() -> None:
    """It knows nobody else's secret."""
    found = render("payment-service")
    assert set(named(found, "Secret", "shop-payment-service-keys")["data"]) == {"client-at-payment"}
    pod = named(found, "Deployment", "shop-payment-service")["spec"]["template"]["spec"]
    assert [name for name, *_ in made_keys(pod["initContainers"][0])] == ["client"]


def test_a_service_finds_its_peers_in_its_release_and_by_itself() -> None:
    together = named(render("shop"), "ConfigMap", "shop-order-service")["data"]
    assert together["PRODUCT_SERVICE_URL"] == "http://shop-product-stub:8001/api/products/"
    assert together["PAYMENT_SERVICE_URL"] == "http://shop-payment-service:8002/api/payments/"
    alone = named(render("order-service"), "ConfigMap", "shop-order-service")["data"]
    assert alone["PAYMENT_SERVICE_URL"] == "http://payment-service:8002/api/payments/"
    services = {each["metadata"]["name"] for each in of_kind(render("shop"), "Service")}
    assert services == {"shop-order-service", "shop-payment-service", "shop-product-stub"}


def test_every_variable_that_a_pod_is_told_is_one_of_the_service() -> None:
    """OpenTelemetry's own are read by its SDK, and the mail's and Kafka's are in the service's example as well."""
    for each in of_kind(render("shop", example("everything")), "ConfigMap"):
        chart = each["metadata"]["labels"]["app.kubernetes.io/name"]
        if chart in SERVICES and each["metadata"]["labels"]["app.kubernetes.io/component"] == "config":
            known = (rendering.ROOT / chart.replace("-", "_") / ".env.example").read_text()
            told = {name for name in each["data"] if not name.startswith("OTEL_")}
            assert {name for name in told if not re.search(rf"^#?{name}=", known, re.MULTILINE)} == set(), chart
