"""What happens to every request: an id, a log line, limits, and only JSON gets in."""

import json

import pytest
from django.test import override_settings

from servicekit.tests.conftest import Api, LogLines
from servicekit.web.messages import Response


def test_a_sane_request_id_is_kept_and_answered(api: Api) -> None:
    """The caller's own id leads through all services."""
    sane = "Az09._-" + "x" * 121
    assert api.get("/echo", X_Request_ID=sane)["X-Request-ID"] == sane


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "a\tb", "ä", "a/b", 'a"b', "a\n"])
def test_any_other_request_id_is_replaced(api: Api, given: str) -> None:
    """Nothing that could break a log line or a header is passed on."""
    made = api.get("/echo", X_Request_ID=given)["X-Request-ID"]
    assert made != given
    assert len(made) == 32
    assert made.isalnum()


def test_each_request_is_one_line_in_the_log_without_its_body(api: Api, log_lines: LogLines) -> None:
    """Method, path, status, time and id; never what was sent."""
    answer = api.post("/echo", '{"token": "tok_secret"}', X_Request_ID="abc")
    assert answer.status_code == 201
    (line,) = log_lines()
    assert line.pop("ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "service": "servicekit",
        "request_id": "abc",
        "actor": "anonymous",
        "method": "POST",
        "path": "/echo",
        "status": 201,
    }


def test_a_secret_in_a_path_stands_in_no_log(api: Api, log_lines: LogLines) -> None:
    """32 random bytes, as they are written in an address; an id is no secret."""
    secret, an_id = "aZ9_-xy" * 6 + "Q", "c1a2b3d4-e5f6-7890-abcd-ef1234567890"
    for path in (
        f"/echo/{secret}/",
        f"/echo/{secret}.",
        f"/echo/{secret})",
        f"/echo/{secret}=/",
        f"/echo/{an_id}/events/",
    ):
        api.get(path)
    shown = [line["path"] for line in log_lines()]
    assert shown == ["/echo/*/", "/echo/*.", "/echo/*)", "/echo/*=/", f"/echo/{an_id}/events/"]


def test_health_is_too_quiet_for_the_log(api: Api, log_lines: LogLines) -> None:
    """What watches the service asks every few seconds."""
    api.get("/health/live")
    assert log_lines() == []


def test_one_requests_id_does_not_leak_into_the_next(api: Api, log_lines: LogLines) -> None:
    """The id is bound anew for each request."""
    api.get("/echo", X_Request_ID="first")
    api.get("/echo", X_Request_ID="second")
    assert [line["request_id"] for line in log_lines()] == ["first", "second"]


def test_a_body_up_to_the_limit_is_read(api: Api) -> None:
    """Exactly `MAX_BODY_BYTES` are allowed."""
    body = json.dumps("x" * 998)
    assert len(body) == 1000
    assert api.post("/echo", body).status_code == 201


def test_a_larger_body_is_refused(api: Api) -> None:
    """413 in JSON, with the limit in it."""
    answer = api.post("/echo", json.dumps("x" * 999))
    assert answer.status_code == 413
    assert answer.json() == {"error": "Request body is larger than 1000 bytes", "code": "request_too_large"}


def test_the_limit_holds_before_the_body_is_there(api: Api) -> None:
    """The announced length is enough to refuse; nothing is read."""
    answer = api.request("POST", "/echo", CONTENT_LENGTH=str(10**12), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert "X-Request-ID" in answer.headers


def test_a_length_of_thousands_of_digits_is_refused(api: Api) -> None:
    """Python itself would not read such a number."""
    answer = api.request("POST", "/echo", CONTENT_LENGTH="9" * 5000, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("length", ["ten", "-1", "1.5", "٣"])
def test_a_length_that_is_no_number_is_refused(api: Api, length: str) -> None:
    """400, not a crash."""
    answer = api.request("POST", "/echo", CONTENT_LENGTH=length, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_body_without_a_length_is_refused(api: Api) -> None:
    """411: how much a chunked body will be is not known before it is read."""
    answer = api.request("POST", "/echo", HTTP_TRANSFER_ENCODING="Chunked", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")
    assert "runserver is for development" in answer.json()["error"]


@pytest.mark.parametrize(("length", "status"), [(8_000, 404), (8_001, 414)])
def test_a_url_longer_than_any_is_refused(api: Api, length: int, status: int) -> None:
    """414, before anything is made of it."""
    assert api.get("/" + "x" * (length - 1)).status_code == status


@pytest.mark.parametrize(("length", "status"), [(8_000, 200), (8_001, 414)])
def test_a_query_counts_as_part_of_the_url(api: Api, length: int, status: int) -> None:
    """Path and query have one limit together."""
    answer = api.get("/echo?" + "x" * (length - len("/echo")))
    assert answer.status_code == status
    if status == 414:
        assert answer.json() == {"error": "URL is longer than 8000 characters", "code": "uri_too_long"}


@pytest.mark.parametrize("debug", [False, True])
def test_a_foreign_host_is_refused(api: Api, debug: bool) -> None:
    """400 in JSON, with DEBUG on too."""
    with override_settings(DEBUG=debug):
        answer = api.get("/echo", Host="evil.example")
    assert (answer.status_code, answer.json()["code"]) == (400, "host_not_allowed")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/health/", "/health/live", "/health/live/", "/metrics", "/metrics/"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "evil.example", "[::2]", "a b", "_", ""])
def test_who_watches_may_call_the_service_by_any_name(api: Api, path: str, host: str) -> None:
    """A probe asks a process by its address."""
    assert api.get(path, Host=host).status_code == 200


@pytest.mark.parametrize("path", ["/echo", "/fields", "/nothing", "/openapi.json", "/docs", "/admin/login/"])
def test_no_answer_is_kept_by_a_cache(api: Api, path: str) -> None:
    """What orders and payments there are is nobody's business on the way."""
    assert "no-store" in api.get(path)["Cache-Control"]
    assert api.post("/echo", "{")["Cache-Control"] == "no-store"


def test_what_is_the_same_for_everybody_may_be_kept(api: Api) -> None:
    """Static files."""
    answer = api.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css")
    assert answer["Cache-Control"] == "max-age=60, public"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/docs", "/docs/", "/redoc", "/redoc/", "/admin/login/"])
def test_no_page_can_be_framed(api: Api, path: str) -> None:
    """Else another site could have our buttons clicked under its own."""
    answer = api.get(path)
    assert (answer["X-Frame-Options"], answer["Content-Security-Policy"]) == ("DENY", "frame-ancestors 'none'")


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"a": 1}', b'\xef\xbb\xbf {"a": 1}'])
def test_a_byte_order_mark_before_the_json_is_skipped(api: Api, body: bytes) -> None:
    assert api.post("/echo", body).json() == {"a": 1}


@pytest.mark.parametrize(
    "body", [b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}', b'{"a": 1}\xef\xbb\xbf', b"\xef\xbb\xbf", b"\xff\xfe{}"]
)
def test_any_other_mark_is_malformed(api: Api, body: bytes) -> None:
    """A second one, one behind, one before nothing, and one of another encoding."""
    assert api.post("/echo", body).json()["code"] == "malformed_json"


@pytest.mark.parametrize("debug", [False, True])
def test_a_host_that_came_before_lets_no_other_in(api: Api, debug: bool) -> None:
    """Each of ours is looked at once, a foreign one each time."""
    with override_settings(DEBUG=debug):
        hosts = ["localhost", "localhost:8000", "evil.example", "localhost", "evil.example", "localhost.evil.example"]
        statuses = [api.get("/echo", Host=host).status_code for host in hosts]
    assert statuses == [200, 200, 400, 200, 400, 400]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_gets_in(api: Api, content_type: str) -> None:
    """415 for every other type of body."""
    answer = api.request("POST", "/echo", data=b'{"a": 1}', content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_json_may_say_its_charset(api: Api) -> None:
    """Parameters of the content type do not matter."""
    answer = api.post("/echo", b'{"a": 1}', content_type="Application/JSON; charset=utf-8")
    assert (answer.status_code, answer.json()) == (201, {"a": 1})


@pytest.mark.parametrize(
    "body", [b"{", b" ", b"NaN", b"'a'", b'"\xff"', b"[" * 21 + b"1" + b"]" * 21, b'{"a":1,"a":1}']
)
def test_malformed_json_is_refused(api: Api, body: bytes) -> None:
    """400 that says so."""
    answer = api.post("/echo", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert answer.json()["error"].startswith("Malformed JSON: ")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "nonsense"])
def test_the_answer_is_json_whatever_the_client_accepts(api: Api, accept: str) -> None:
    """A browser that asks for HTML can still read it."""
    answer = api.get("/echo", Accept=accept)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


def test_amounts_pass_through_untouched(api: Api) -> None:
    """Parser and renderer together keep every digit."""
    assert api.post("/echo", b'{"amount":50.10,"exact":0.1000}').content == b'{"amount":50.10,"exact":0.1000}'


def test_both_forms_of_a_path_work_without_a_redirect(api: Api) -> None:
    """A redirect would lose the body of a POST."""
    assert [api.post(path, b"1").status_code for path in ("/echo", "/echo/")] == [201, 201]


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_read_however_its_type_is_written(api: Api, media_type: str) -> None:
    answer = api.post("/echo", '{"amount": 1.10}', content_type=media_type)
    assert (answer.status_code, answer.content) == (201, b'{"amount":1.10}')


def test_no_content_has_no_type() -> None:
    assert dict(Response(status=204).headers) == {}
    assert dict(Response({}).headers) == {"Content-Type": "application/json"}
