"""A wrong combination of values is refused before a cluster sees it, with a sentence that says what to do."""

from typing import Any, Final

import pytest

from tests.charts.rendering import Refused, render

SERVER: Final = {"database": {"engine": "postgresql", "host": "db", "existingSecret": "db"}}
SCALED: Final = {**SERVER, "autoscaling": {"enabled": True}}
KAFKA: Final = {"kafka": {"bootstrapServers": "kafka:9092"}}


def outside(**ingress: Any) -> dict[str, Any]:
    return {"ingress": {"enabled": True, "host": "shop.example.org", **ingress}}


# How helm speaks where a template failed instead of refusing.
TRACES: Final = ("nil pointer", "error calling", "wrong type for value", "no template", "can't evaluate")

# Chart, values, and what the sentence says.
WRONG: Final = [
    ("order-service", {"replicas": 2}, "SQLite is a file of one pod, so there cannot be 2 replicas"),
    ("order-service", {"replicaCount": 2}, "SQLite is a file of one pod, so there cannot be 2 replicas"),
    ("order-service", {"autoscaling": {"enabled": True}}, "SQLite is a file of one pod, which nothing can scale"),
    ("order-service", {"database": {"host": "db"}}, "and database.engine is sqlite: set it to"),
    ("payment-service", {"database": {"engine": "mysql", "existingSecret": "db"}}, "where is the mysql server?"),
    ("payment-service", {"database": {"engine": "mysql", "host": "db"}}, "database.existingSecret is empty"),
    ("order-service", {"database": {**SERVER["database"], "sslmode": "verify-full"}}, "database.caSecret must name"),
    ("order-service", {"database": {**SERVER["database"], "sslmode": "prefer", "caSecret": "ca"}}, "no certificate is"),
    (
        "order-service",
        {"database": {**SERVER["database"], "volume": {"existingClaim": "c"}}},
        "existingClaim is SQLite's",
    ),
    ("order-service", {**SCALED, "replicas": 3}, "autoscaling.enabled and replicas contradict each other"),
    ("order-service", {**SERVER, "replicas": 3, "replicaCount": 3}, "replicaCount is the old name"),
    ("order-service", {**SERVER, "autoscaling": {"enabled": True, "minReplicas": 7}}, "(7) is more than"),
    ("order-service", {**SERVER, "autoscaling": {"enabled": True, "cpu": None}}, "autoscaling has nothing to go by"),
    ("order-service", {**SERVER, "podDisruptionBudget": {"minAvailable": 2}}, "no node could ever be drained"),
    (
        "order-service",
        {**SERVER, "podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}},
        "minAvailable and maxUnavailable exclude each other",
    ),
    (
        "order-service",
        {**SERVER, "autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}},
        "autoscaling.cpu is a share of resources.requests.cpu",
    ),
    ("order-service", {**SERVER, "service": {"type": "LoadBalancer"}}, "networkPolicy.clients lets nobody in"),
    (
        "order-service",
        {**SERVER, "ingress": {"enabled": True, "host": "shop.example.org"}, "config": {"DEBUG": "true"}},
        "config.DEBUG is on",
    ),
    (
        "order-service",
        {**SERVER, "ingress": {"enabled": True, "host": "https://shop.example.org"}},
        "https://shop.example.org is no host name",
    ),
    (
        "order-service",
        {"database": {**SERVER["database"], "host": "db:5432"}},
        "database.host is db:5432, which is no host name",
    ),
    (
        "payment-service",
        {"kafka": {"bootstrapServers": "kafka:9092", "securityProtocol": "SASL_SSL"}},
        "kafka.saslMechanism is empty",
    ),
    ("payment-service", {"config": {"PAYMENT_GATEWAYS": "CARD=stripe"}}, "stripe.existingSecret is empty"),
    (
        "order-service",
        {"config": {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}},
        "config.KAFKA_BOOTSTRAP_SERVERS would go round what the chart checks: use the value kafka.bootstrapServers",
    ),
    (
        "order-service",
        {"podLabels": {"app.kubernetes.io/name": "another"}},
        "podLabels.app.kubernetes.io/name is what the pods are found by",
    ),
    ("order-service", {"podAnnotations": {"checksum/config": "0"}}, "podAnnotations.checksum/config is set by"),
    (
        "order-service",
        {"migrations": {"resources": {"requests": {"memory": "2Gi"}}}},
        "migrations.resources.requests.memory (2Gi) is more than migrations.resources.limits.memory",
    ),
    ("shop", {"order-service": {"fullnameOverride": "orders"}}, "order-service.fullnameOverride: in this chart"),
    ("shop", {"product-stub": {"nameOverride": "goods"}}, "product-stub.nameOverride: in this chart"),
    (
        "shop",
        {
            "payment-service": {
                "kafka": {"bootstrapServers": "kafka:9092"},
                "config": {"ORDER_NOTICES": "false"},
            }
        },
        "order-service.consumer.enabled is not true",
    ),
    ("order-service", {"image": {"tag": "latest"}}, "image.tag is latest"),
    ("order-service", {"image": {"tag": "1.0", "digest": f"sha256:{'0' * 64}"}}, "image.tag and image.digest both say"),
    (
        "order-service",
        {"shutdown": {"graceSeconds": 27}},
        "is 27, and a pod needs more than 27 s",
    ),
    ("order-service", {"config": {"ORDER_DEADLINE_S": 55}}, "a pod needs more than 65 s"),
    ("order-service", {"resources": {"requests": {"memory": "1Gi"}}}, "(1Gi) is more than resources.limits.memory"),
    ("order-service", {"worker": {"resources": {"requests": {"memory": "1Gi"}}}}, "(1Gi) is more than"),
    ("order-service", {"resources": {"requests": {"cpu": 4}}}, "4 processes under load need"),
    ("order-service", outside(tls={"enabled": True}), "ingress.tls.enabled without ingress.tls.secretName"),
    ("order-service", outside(tls={"secretName": "tls"}), "the certificate would not be used"),
    ("order-service", {"ingress": {"enabled": True}}, "ingress.host is empty"),
    ("order-service", {**outside(), "httpRoute": {"enabled": True}}, "two ways in: choose one"),
    ("order-service", {"httpRoute": {"enabled": True, "hostnames": ["a"]}}, "httpRoute.parentRefs is empty"),
    ("order-service", {"httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}}, "httpRoute.hostnames is empty"),
    ("order-service", {**outside(), "auth": {"enabled": False}}, "everybody could do everything"),
    (
        "payment-service",
        {"service": {"type": "LoadBalancer"}, "auth": {"enabled": False}},
        "everybody could do everything",
    ),
    ("order-service", {"auth": {"enabled": False, "existingSecret": "keys"}}, "nobody would be asked for one"),
    ("order-service", {"admin": {"enabled": True}}, "admin.enabled needs secretKey.existingSecret"),
    ("order-service", {"kafka": {"bootstrapServers": "k:9092", "saslMechanism": "PLAIN"}}, "needs kafka.saslUsername"),
    ("order-service", {"kafka": {"existingSecret": "k"}}, "there is no Kafka to sign in at"),
    ("order-service", {"consumer": {"enabled": True}}, "consumer.enabled needs kafka.bootstrapServers"),
    ("notify-service", {}, "consumer.enabled needs kafka.bootstrapServers"),
    ("notify-service", {**KAFKA, "consumer": {"enabled": False}}, "this service is nothing else"),
    ("payment-service", {"config": {"ORDER_NOTICES": False}}, "the order service would never hear of a payment"),
    (
        "payment-service",
        {**outside(), "stripe": {"existingSecret": "s"}, "config": {"TEST_PAYMENTS": "on"}},
        "orders could be paid without money",
    ),
    ("order-service", {"config": {"API_AUTH": "off"}}, "config.API_AUTH is set by the chart itself"),
    ("order-service", {**SERVER, "config": {"DB_HOST": "other"}}, "config.DB_HOST is set by the chart itself"),
    ("shop", {"install": {"productStub": False}}, "where is the product service?"),
    ("shop", {"install": {"paymentService": False}}, "where is the payment service?"),
    ("shop", {"install": {"orderService": False}}, "where is the order service?"),
    ("shop", {"install": {"orderService": False, "paymentService": False, "productStub": False}}, "nothing to install"),
    ("shop", {"product-stub": {"auth": {"enabled": False}}}, "for some of the services and false for others"),
    ("shop", {"order-service": {"replicas": 2}}, "order-service: SQLite is a file of one pod"),
    (
        "order-service",
        {**SERVER, "podDisruptionBudget": {"maxUnavailable": 0}},
        "podDisruptionBudget.maxUnavailable is 0, so that no node could ever be drained",
    ),
    (
        "notify-service",
        {**KAFKA, **SERVER, "podDisruptionBudget": {"maxUnavailable": "0%"}},
        "podDisruptionBudget.maxUnavailable is 0%, so that no node could ever be drained",
    ),
    (
        "order-service",
        {**SERVER, "podDisruptionBudget": {"minAvailable": "100%"}},
        "podDisruptionBudget.minAvailable is 100% of 2 replicas, so that no node could ever be drained",
    ),
    # Rounded up, as Kubernetes does: more than the half of two is both.
    (
        "order-service",
        {**SERVER, "podDisruptionBudget": {"minAvailable": "51%"}},
        "podDisruptionBudget.minAvailable is 51% of 2 replicas",
    ),
    (
        "order-service",
        {**SERVER, "podDisruptionBudget": {"minAvailable": "50%", "maxUnavailable": "50%"}},
        "minAvailable and maxUnavailable exclude each other",
    ),
    (
        "notify-service",
        {**KAFKA, **SERVER, "podDisruptionBudget": {"minAvailable": 1}},
        "podDisruptionBudget.minAvailable is for the pods that answer requests, and this service has none",
    ),
    (
        "order-service",
        {"networkPolicy": {"clients": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}},
        "networkPolicy.clients[1] has an ipBlock beside a selector",
    ),
    (
        "order-service",
        {"networkPolicy": {"monitoring": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}},
        "networkPolicy.monitoring[0] excepts 11.0.0.0/16, which is no part of 10.0.0.0/8",
    ),
    (
        "payment-service",
        {"networkPolicy": {"gateway": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}},
        "networkPolicy.gateway[0] excepts 10.0.0.0/8, which is no smaller than 10.0.0.0/8",
    ),
    (
        "order-service",
        {"networkPolicy": {"database": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/64"]}}]}},
        "networkPolicy.database[0] excepts fd00::/64, which is no part of 10.0.0.0/8",
    ),
    ("order-service", {"metrics": {"labels": {"helm.sh/chart": "x"}}}, "metrics.labels.helm.sh/chart is set by"),
    ("order-service", {"podLabels": {"app.kubernetes.io/version": "2"}}, "version is set by the chart itself"),
    ("shop", {"alerts": {"labels": {"app.kubernetes.io/part-of": "x"}}}, "alerts.labels.app.kubernetes.io/part-of is"),
    ("order-service", {"ingress": {"enabled": True, "host": "*.example.org"}}, "*.example.org stands for many names"),
    ("order-service", {"ingress": {"enabled": True, "host": "Shop_1"}}, "Shop_1 is no host name"),
    ("order-service", {"config": {"ORDER_DEADLINE_S": "soon"}}, "config.ORDER_DEADLINE_S is soon, which is no number"),
    ("notify-service", {**KAFKA, "config": {"EMAIL_PORT": "smtp"}}, "config.EMAIL_PORT is smtp, which is no port"),
    (
        "order-service",
        {"kafka": {"bootstrapServers": "kafka:9092", "caSecret": "ca"}},
        "kafka.caSecret is set, but only with kafka.securityProtocol SSL or SASL_SSL",
    ),
    (
        "order-service",
        {"config": {"KAFKA_SSL_CA_LOCATION": "/ca.crt"}},
        "config.KAFKA_SSL_CA_LOCATION would go round what the chart checks: use the value kafka.caSecret",
    ),
    ("shop", {"global": {"keysSecret": "keys-"}}, "global.keysSecret is keys-, which is no name of a Secret"),
]

# What no value may be, whatever the others are; and where.
UNFIT: Final = [
    ("order-service", {"replica": 2}, "additional properties 'replica' not allowed"),
    ("order-service", {"image": {"name": "x"}}, "additional properties 'name' not allowed"),
    ("order-service", {"replicas": "two"}, "at '/replicas'"),
    ("order-service", {"replicas": -1}, "at '/replicas'"),
    ("order-service", {"database": {"engine": "oracle"}}, "at '/database/engine'"),
    ("order-service", {"database": {"port": 70000}}, "at '/database/port'"),
    ("order-service", {"image": {"digest": "sha256:12"}}, "at '/image/digest'"),
    ("order-service", {"image": {"repository": ""}}, "at '/image/repository'"),
    ("order-service", {"resources": {"requests": {"cpu": "lots"}}}, "at '/resources/requests/cpu'"),
    ("order-service", {"resources": {"limits": {"cpu": "1"}}}, "additional properties 'cpu' not allowed"),
    ("order-service", {"kafka": {"bootstrapServers": "kafka"}}, "at '/kafka/bootstrapServers'"),
    (
        "order-service",
        {"config": {"ORDER_EXPIRE_AFTER_S": 1}},
        "additional properties 'ORDER_EXPIRE_AFTER_S' not allowed",
    ),
    ("order-service", {"config": {"DB_PASSWORD": "secret"}}, "additional properties 'DB_PASSWORD' not allowed"),
    ("payment-service", {"config": {"STRIPE_API_KEY": "sk"}}, "additional properties 'STRIPE_API_KEY' not allowed"),
    ("product-stub", {"kafka": {"bootstrapServers": "k:1"}}, "additional properties 'kafka' not allowed"),
    ("order-service", {"ingress": {"paths": ["orders"]}}, "at '/ingress/paths/0'"),
    ("order-service", {"tracing": {"sampleRatio": 2}}, "at '/tracing/sampleRatio'"),
    ("order-service", {"metrics": {"interval": "often"}}, "at '/metrics/interval'"),
    ("order-service", {"peers": {"products": {"url": "products:8001"}}}, "at '/peers/products/url'"),
    ("payment-service", {"secrets": {"STRIPE_WEBHOOK_SECRET": {"key": "k"}}}, "missing property 'existingSecret'"),
    (
        "payment-service",
        {"secrets": {"DB_PASSWORD": {"existingSecret": "s", "key": "k"}}},
        "'DB_PASSWORD' does not match",
    ),
    ("shop", {"order_service": {}}, "additional properties 'order_service' not allowed"),
    ("shop", {"payment-service": {"databas": {}}}, "additional properties 'databas' not allowed"),
    ("shop", {"global": {"shop": False}}, "at '/global/shop'"),
]


@pytest.mark.parametrize(("chart", "values", "sentence"), WRONG, ids=[sentence for *_, sentence in WRONG])
def test_what_cannot_work_together_is_refused(chart: str, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        render(chart, values)
    said = str(refused.value)
    assert sentence in said
    assert not [trace for trace in TRACES if trace in said]


@pytest.mark.parametrize(("chart", "values", "place"), UNFIT, ids=[place for *_, place in UNFIT])
def test_what_no_value_may_be_is_refused(chart: str, values: dict[str, Any], place: str) -> None:
    """By the schema, which names the value; a misspelt one is among them."""
    with pytest.raises(Refused) as refused:
        render(chart, values)
    assert place in str(refused.value)
