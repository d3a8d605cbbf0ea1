"""What a single value may be: a null is the default, and what no cluster takes is refused with the value's name."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from tests.charts.rendering import CHARTS, HELM, Object, Refused, named, of_kind, render

SERVICES: Final = CHARTS[:-1]
# Without these there is nothing to install.
NEEDED: Final[Mapping[str, dict[str, Any]]] = {"notify-service": {"kafka": {"bootstrapServers": "kafka:9092"}}}
# What helm itself reads before a chart can say anything.
HELMS: Final = ("install", "global")
SERVER: Final = {"database": {"engine": "postgresql", "host": "db", "existingSecret": "db"}}
Path = tuple[str, ...]


def sections(values: Mapping[str, Any], before: Path = ()) -> Iterator[Path]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield (*before, name)
            yield from sections(value, (*before, name))


def paths(chart: str) -> list[Path]:
    """Of each section and each map in a chart's values.yaml."""
    return list(sections(yaml.safe_load((HELM / chart / "values.yaml").read_text())))


def depths(chart: str) -> list[int]:
    return sorted({len(path) for path in paths(chart)})


DEPTHS: Final = [(chart, depth) for chart in CHARTS for depth in depths(chart)]


def nested(path: Path, value: object) -> dict[str, Any]:
    first, *rest = path
    return {first: nested(tuple(rest), value) if rest else value}


def merged(*all_of: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in all_of:
        for name, value in each.items():
            both = isinstance(value, dict) and isinstance(found.get(name), dict)
            found[name] = merged(found[name], value) if both else value
    return found


def without_keys(objects: list[Object]) -> list[Object]:
    """A key is another one each time."""
    return [each for each in objects if each["kind"] != "Secret"]


def test_there_are_sections_to_try() -> None:
    assert ("image",) in paths("order-service")
    assert ("worker", "resources", "limits") in paths("order-service")
    assert len(paths("order-service")) > 40


@pytest.mark.parametrize(("chart", "depth"), DEPTHS)
def test_a_section_with_nothing_behind_it_is_the_default(chart: str, depth: int) -> None:
    """Every one of every chart, those of a depth at once: `image:` is left where what was below it is deleted."""
    needed = NEEDED.get(chart, {})
    tried = [path for path in paths(chart) if len(path) == depth and path[0] not in HELMS and path[0] not in needed]
    nulls = merged(needed, *(nested(path, None) for path in tried))
    assert without_keys(render(chart, nulls)) == without_keys(render(chart, needed))


def test_a_section_of_a_chart_of_the_shop_is_its_default_as_well() -> None:
    nulls = {chart: {path[0]: None for path in paths(chart)} for chart in SERVICES[:3]}
    assert without_keys(render("shop", nulls)) == without_keys(render("shop"))
    assert without_keys(render("shop", dict.fromkeys(SERVICES[:3]))) == without_keys(render("shop"))


def test_what_may_be_nothing_stays_nothing() -> None:
    """Beside a default of its own: an autoscaler that does not go by the processor."""
    values = {**SERVER, "autoscaling": {"enabled": True, "cpu": None, "waitingSeconds": "200m"}}
    (scaler,) = of_kind(render("order-service", values), "HorizontalPodAutoscaler")
    assert [each["type"] for each in scaler["spec"]["metrics"]] == ["Pods"]


@pytest.mark.parametrize("name", HELMS)
def test_what_helm_reads_itself_cannot_be_left_out(name: str) -> None:
    with pytest.raises(Refused, match=f"at '': missing property '{name}'"):
        render("shop", {name: None})


@pytest.mark.parametrize(("chart", "depth"), DEPTHS)
def test_a_section_that_is_no_map_is_refused_by_its_path(chart: str, depth: int) -> None:
    """Every one of every chart; what charts share is a text in one, and a list, a number, a flag in the others."""
    wrong = ("text", ["list"], 3, True)
    words = ("got string", "got array", "got number", "got boolean")
    first = CHARTS.index(chart)
    tried = [path for path in paths(chart) if len(path) == depth and path != ("global",) and path[0] not in CHARTS]
    values = merged(*(nested(path, wrong[(first + at) % 4]) for at, path in enumerate(tried)))
    with pytest.raises(Refused) as refused:
        render(chart, values)
    said = str(refused.value)
    for at, path in enumerate(tried):
        assert f"at '/{'/'.join(path)}': {words[(first + at) % 4]}, want object" in said
    assert "error calling include" not in said


@pytest.mark.parametrize("wrong", ["text", ["list"], 3, True], ids=repr)
def test_the_values_of_a_chart_of_the_shop_are_a_map(wrong: object) -> None:
    """Helm itself says so, and names it."""
    with pytest.raises(Refused, match="type mismatch on payment-service"):
        render("shop", {"payment-service": wrong})
    for chart in ("shop", "payment-service"):
        with pytest.raises(Refused, match=r"at '/global': got [a-z]+, want object"):
            render(chart, {"global": wrong})


# Where, and what no server of Kubernetes takes there. All at once: the schema names each.
UNFIT: Final[list[tuple[str, object]]] = [
    ("/networkPolicy/clients/0", {}),
    ("/networkPolicy/clients/1", {"podSelektor": {}}),
    ("/networkPolicy/clients/2/ipBlock", {}),
    ("/networkPolicy/clients/3/ipBlock/cidr", "10.0.0.0"),
    ("/networkPolicy/clients/4/ipBlock/cidr", "10.0.0.256/8"),
    ("/networkPolicy/clients/5/ipBlock/cidr", "10.0.0.0/33"),
    ("/networkPolicy/clients/6/ipBlock/cidr", "fd00::1::/64"),
    ("/networkPolicy/clients/7/ipBlock/cidr", "fd00::/129"),
    ("/networkPolicy/clients/8/podSelector", "web"),
    ("/networkPolicy/clients/9/namespaceSelector", {"kubernetes.io/metadata.name": "x"}),
    ("/networkPolicy/clients/10/podSelector/matchLabels/app", "a value with blanks"),
    ("/networkPolicy/clients/11/podSelector/matchExpressions/0", {"key": "a", "operator": "In"}),
    ("/networkPolicy/clients/12/podSelector/matchExpressions/0/operator", "Is"),
    ("/networkPolicy/monitoring/0", "prometheus"),
    ("/networkPolicy/database/0/ipBlock", {"cidr": "10.0.0.0/8", "ports": [5432]}),
    ("/networkPolicy/kafka", {"podSelector": {}}),
    ("/networkPolicy/gateway/0/ipBlock/except/0", "10.1.0.0"),
    ("/database/existingSecret", "Payments"),
    ("/database/passwordKey", "pass word"),
    ("/database/caSecret", "ca_secret"),
    ("/database/caKey", ".."),
    ("/database/volume/existingClaim", "-claim"),
    ("/database/volume/storageClassName", "Fast!"),
    ("/database/volume/size", "0Gi"),
    ("/auth/existingSecret", "keys."),
    ("/secretKey/existingSecret", "a..b"),
    ("/secretKey/key", ""),
    ("/kafka/existingSecret", "kafka/password"),
    ("/kafka/passwordKey", "a/b"),
    ("/kafka/bootstrapServers", "kafka:99999"),
    ("/books/schedule", "every hour"),
    ("/networkPolicy/webhooks/0/ipBlock/cidr", "everywhere"),
    ("/networkPolicy/webhookPorts/0", 0),
    ("/stripe/existingSecret", "x" * 64),
    ("/stripe/key", "ü"),
    ("/secrets/STRIPE_WEBHOOK_SECRET/existingSecret", "Stripe"),
    ("/secrets/STRIPE_WEBHOOK_SECRET/key", "a b"),
    ("/ingress/tls/secretName", "*.example.org"),
    ("/ingress/className", "Nginx "),
    ("/ingress/paths/0", "/a b"),
    ("/httpRoute/parentRefs/0/port", 0),
    ("/httpRoute/parentRefs/0/name", "Front"),
    ("/image/registry", "https://registry.example.org"),
    ("/image/repository", "Payment-Service"),
    ("/image/tag", "1.0 beta"),
    ("/image/digest", f"sha256:{'A' * 64}"),
    ("/image/pullSecrets/0", "Registry"),
    ("/podDisruptionBudget/maxUnavailable", "101%"),
    ("/podDisruptionBudget/minAvailable", "half"),
    ("/serviceAccount/name", "Payments"),
    ("/serviceAccount/annotations", {"a b": "c"}),
    ("/priorityClassName", "very important"),
    ("/podLabels/team", "orders and payments"),
    ("/nodeSelector/disk", "-"),
    ("/tolerations/0/effect", "NoWay"),
    ("/affinity", {"podAfinity": {}}),
    ("/allowedHosts/0", "https://shop.example.org"),
    ("/peers/orders/url", "http://orders:port/"),
    ("/tracing/endpoint", "http://[::1"),
    ("/metrics/interval", "0s"),
    ("/autoscaling/waitingSeconds", "0"),
    ("/resources/requests/cpu", -1),
    ("/global/keysSecret", "{{ .Values.keys"),
    ("/global/imageRegistry", 3),
    ("/global/otlpEndpoint", "collector:4318"),
    ("/nameOverride", "Payments"),
    ("/fullnameOverride", "1st"),
    ("/clusterDomain", "cluster..local"),
]


def all_at_once(wrong: list[tuple[str, object]]) -> Any:
    """Values with each in its place; a name that is a number stands in a list."""
    values: dict[str, Any] = {}
    for place, value in wrong:
        into = values
        *names, last = place.strip("/").split("/")
        for name in names:
            into = into.setdefault(name, {})
        into[last] = value
    return _with_lists(values)


def _with_lists(value: object) -> object:
    if not isinstance(value, dict):
        return value
    found = {name: _with_lists(each) for name, each in value.items()}
    return list(found.values()) if found and all(name.isdecimal() for name in found) else found


def test_what_no_cluster_takes_is_refused_by_its_path() -> None:
    with pytest.raises(Refused) as refused:
        render("payment-service", all_at_once(UNFIT))
    missed = [place for place, _ in UNFIT if f"at '{place}" not in str(refused.value)]
    assert missed == []


def test_what_clusters_take_is_taken() -> None:
    """The rarer forms of each kind, so that a pattern is not narrower than a server is."""
    blocks = ["0.0.0.0/0", "10.1.2.3/32", "::/0", "fd00:1:2:3:4:5:6:7/128", "fd00::1/64", "1::/16"]
    values = {
        "database": {**SERVER["database"], "existingSecret": "db.payments-1", "passwordKey": ".pass_word-1"},
        "image": {
            "registry": "localhost:5000/shop",
            "repository": "quay.io/a_b/c--d/payment-service",
            "tag": "v1_2.3-4",
        },
        "podDisruptionBudget": {"maxUnavailable": "25%"},
        "networkPolicy": {
            "clients": [{"podSelector": {}}, {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a/b": ""}}}],
            "database": [{"ipBlock": {"cidr": cidr}} for cidr in blocks],
            "monitoring": [
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.255.0.0/16"]}},
                {"namespaceSelector": {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v", ""]}]}},
                {"podSelector": {"matchExpressions": [{"key": "example.org/k", "operator": "Exists"}]}},
            ],
        },
        "tolerations": [{"operator": "Exists"}],
        "allowedHosts": ["*", ".example.org", "localhost", "[::1]"],
        "peers": {"orders": {"url": "https://orders.example.org/api/orders/?a=b"}},
    }
    found = render("payment-service", values)
    assert named(found, "PodDisruptionBudget", "shop-payment-service-web")["spec"]["maxUnavailable"] == "25%"
    pod = named(found, "Deployment", "shop-payment-service")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "localhost:5000/shop/quay.io/a_b/c--d/payment-service:v1_2.3-4"


def test_nobody_reads_metrics_where_nobody_may() -> None:
    """An empty list of peers in a policy would be everybody."""
    for each in of_kind(render("order-service", {**SERVER, "networkPolicy": {"monitoring": []}}), "NetworkPolicy"):
        for rule in each["spec"]["ingress"]:
            assert rule["from"], each["metadata"]["name"]
            assert {port["port"] for port in rule["ports"]} == {8000}, each["metadata"]["name"]
