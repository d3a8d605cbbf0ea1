"""Install, upgrade from the version before, roll back and drain, on a real API server under restricted Pod Security."""

import json
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pytest
import yaml

from tests.cluster.kubernetes import CHARTS, HELM, Failed, Namespace, kubectl, on_servers
from tests.stack import wait_until

WAIT: Final = ("--wait", "--timeout=150s")
RELEASED: Final = HELM / "released" / "shop-0.1.0.tgz"
NUMBERS: Final = count(1)
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"shop-{next(NUMBERS)}")
    yield made
    kubectl("delete", "namespace", made.name, "--wait=false")


def test_everything_is_admitted_and_gets_ready(namespace: Namespace) -> None:
    """Pod Security refuses nothing, the hooks and tests included."""
    said = namespace.helm("install", HELM / "shop", on_servers(), *WAIT)
    assert '-H "Authorization: Bearer $KEY"' in said
    assert namespace.complaints() == []
    ready = {each["metadata"]["name"]: each["status"].get("readyReplicas", 0) for each in namespace.get("deployments")}
    assert ready == {f"shop-{chart}": 2 for chart in CHARTS} | {f"shop-{chart}-worker": 1 for chart in CHARTS}
    wait_until(lambda: list(_migrations(namespace).values()) == [1, 1, 1], what="migrated")
    for test in _tests(namespace):
        namespace.apply(test)
    assert namespace.complaints() == []


def _tests(namespace: Namespace) -> list[dict[str, Any]]:
    """The pods of `helm test`, which need an image to say anything; here only whether they are let in."""
    hooks = yaml.safe_load_all(namespace.hooks())
    return [each for each in hooks if each and each["metadata"]["annotations"]["helm.sh/hook"] == "test"]


def test_sqlite_is_one_pod_with_its_volume(namespace: Namespace) -> None:
    """As it is without any values, but for the storage class that a cluster without disks has not."""
    for chart in CHARTS:
        metadata = {"name": f"{namespace.name}-{chart}"}
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "by-hand",
            "hostPath": {"path": "/nowhere"},
        }
        namespace.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})
    values = {chart: {"database": {"volume": {"storageClassName": "by-hand"}}} for chart in CHARTS}
    namespace.helm("install", HELM / "shop", values, *WAIT)
    assert namespace.complaints() == []
    assert {each["status"]["phase"] for each in namespace.get("persistentvolumeclaims")} == {"Bound"}
    assert [len(each["spec"]["containers"]) for each in namespace.get("pods")] == [2, 2, 2]


def test_an_upgrade_from_the_version_before_and_back(namespace: Namespace) -> None:
    """No selector has changed, nothing is in the way; keys and their Secret stay; the old name of a value works."""
    values = on_servers(order_service={"replicaCount": 3})
    namespace.helm("install", RELEASED, values, *WAIT)
    keys = namespace.one("secrets", "shop-keys")["data"]
    said = namespace.helm("upgrade", HELM / "shop", values, *WAIT)
    assert "replicaCount is now called replicas" in said
    assert _migrations(namespace) == {f"shop-{chart}-upgrade": 1 for chart in CHARTS}
    assert _charts(namespace) == {f"{chart}-0.2.0" for chart in CHARTS}
    assert namespace.one("deployments", "shop-order-service")["status"]["readyReplicas"] == 3

    namespace.helm("rollback", "1", None, *WAIT)
    assert _charts(namespace) == {f"{chart}-0.1.0" for chart in CHARTS}
    namespace.helm("upgrade", HELM / "shop", on_servers(order_service={"replicas": 3}), *WAIT)
    assert _charts(namespace) == {f"{chart}-0.2.0" for chart in CHARTS}
    assert namespace.one("secrets", "shop-keys")["data"] == keys
    assert namespace.complaints() == []


def _migrations(namespace: Namespace) -> dict[str, int | None]:
    """How often each has succeeded; whenever it is that time, there are Jobs that check the books as well."""
    jobs = {each["metadata"]["name"]: each["status"].get("succeeded") for each in namespace.get("jobs")}
    return {name: succeeded for name, succeeded in jobs.items() if "-books-" not in name}


def _charts(namespace: Namespace) -> set[str]:
    return {each["metadata"]["labels"]["helm.sh/chart"] for each in namespace.get("deployments")}


def test_a_migration_that_never_ends_changes_nothing(namespace: Namespace) -> None:
    """The old pods go on; the hook's pod stays to be looked at; the next upgrade begins anew."""
    namespace.helm("install", HELM / "shop", on_servers(), *WAIT)
    before = {each["metadata"]["name"]: each["metadata"]["generation"] for each in namespace.get("deployments")}
    nowhere = on_servers(order_service={"nodeSelector": {"kubernetes.io/os": "plan9"}})
    with pytest.raises(Failed, match="pre-upgrade hooks failed"):
        namespace.helm("upgrade", HELM / "shop", nowhere, "--timeout=5s")
    after = {each["metadata"]["name"]: each["metadata"]["generation"] for each in namespace.get("deployments")}
    assert after == before
    assert "shop-order-service-upgrade" in {each["metadata"]["name"] for each in namespace.get("jobs")}
    namespace.helm("upgrade", HELM / "shop", on_servers(), *WAIT)


def test_a_drained_node_never_takes_more_pods_than_may_be_missing(namespace: Namespace) -> None:
    """Every node in turn, and the services are there all the time."""
    values = on_servers(**{chart.replace("-", "_"): {"replicas": 3} for chart in CHARTS})
    namespace.helm("install", HELM / "shop", values, *WAIT)
    fewest: list[int] = []
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(0.05):
            found = namespace.get("deployments", "--selector=app.kubernetes.io/component=web")
            fewest.extend(each["status"].get("availableReplicas", 0) for each in found)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for node in ("one", "two", "three"):
            kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
            kubectl("uncordon", node)
    finally:
        has_ended.set()
        watcher.join()
    assert min(fewest) >= 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}}, "nodeSelectorTerms"),
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "tolerations"),
        ({"networkPolicy": {"clients": [{"ipBlock": {"cidr": "fd00::/8", "except": ["fe00::/16"]}}]}}, "except"),
        ({"ingress": {"enabled": True, "host": "shop.example.org", "paths": ["/a/./b"]}}, "/./"),
    ],
    ids=["affinity", "toleration", "network", "path"],
)
def test_what_only_the_server_knows_it_refuses(namespace: Namespace, wrong: dict[str, object], sentence: str) -> None:
    """A schema lets it pass; helm says what the server said, and the release can be upgraded afterwards."""
    with pytest.raises(Failed) as refused:
        namespace.helm("install", HELM / "shop", on_servers(order_service=dict(wrong)))
    assert sentence in str(refused.value)
    namespace.helm("upgrade", HELM / "shop", on_servers(), "--install")


@pytest.mark.parametrize("name", ["everything", "postgresql", "open"])
def test_the_server_takes_every_example(namespace: Namespace, name: str) -> None:
    """All that a schema does not know: lengths of names, of ports too. Pods of tests: see the first test."""
    values = HELM / "examples" / f"{name}.yaml"
    kubectl("apply", "--filename=-", given=_priority())
    made = namespace.template(values)
    kept = [each for each in yaml.safe_load_all(made) if each and each["kind"] not in ("HTTPRoute", "Pod")]
    everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": kept})
    said = kubectl("apply", "--dry-run=server", "--filename=-", f"--namespace={namespace.name}", given=everything)
    assert len(said.splitlines()) == len(kept)


def _priority() -> str:
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "important"}}
    return json.dumps({**kind, "value": 1000})
