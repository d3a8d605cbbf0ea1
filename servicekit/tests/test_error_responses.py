"""Whatever goes wrong, the answer is `{"error", "code", ...}` in JSON, and shows no internals."""

import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, IntegrityError, InterfaceError, InternalError, OperationalError, ProgrammingError
from django.http import Http404
from django.test import override_settings
from rest_framework import exceptions as drf

from servicekit import errors
from servicekit.tests.conftest import Api, LogLines
from servicekit.web import error_responses


class Reused(errors.Unprocessable):
    code = "reused"


@pytest.mark.parametrize(
    ("problem", "status", "body"),
    [
        (errors.Invalid("no"), 400, {"error": "no", "code": "error"}),
        (errors.NotFound("Order not found"), 404, {"error": "Order not found", "code": "error"}),
        (errors.Conflict("no", product_id=2), 409, {"error": "no", "code": "error", "product_id": 2}),
        (Reused("no"), 422, {"error": "no", "code": "reused"}),
        (errors.Unavailable("later"), 503, {"error": "later", "code": "error"}),
        (Http404("secret"), 404, {"error": "Not found", "code": "not_found"}),
        (PermissionDenied("secret"), 403, {"error": "Forbidden", "code": "forbidden"}),
        (SuspiciousOperation("secret"), 400, {"error": "Bad request", "code": "bad_request"}),
        (drf.MethodNotAllowed("PUT"), 405, {"error": 'Method "PUT" not allowed.', "code": "method_not_allowed"}),
        (drf.ParseError("Malformed JSON: x"), 400, {"error": "Malformed JSON: x", "code": "malformed_json"}),
        (KeyError("secret"), 500, {"error": "Internal server error", "code": "internal_error"}),
        (ProgrammingError("secret"), 500, {"error": "Internal server error", "code": "internal_error"}),
        (IntegrityError("secret"), 500, {"error": "Internal server error", "code": "internal_error"}),
    ],
)
def test_each_kind_of_problem_has_its_status_and_body(problem: Exception, status: int, body: dict[str, Any]) -> None:
    """One table for all of them; what an exception says is shown only where it was written for the caller."""
    answer = error_responses.answer_for(problem)
    assert (answer.status, answer.body, answer.headers) == (status, body, answer.headers)
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    "problem",
    [
        OperationalError("database is locked"),
        InterfaceError("gone"),
        InternalError("read-only, and locked"),
        DatabaseError("locked in another way"),
    ],
)
def test_a_database_that_cannot_be_had_asks_for_patience(problem: Exception) -> None:
    """503 with Retry-After, and not a word of what the database said."""
    answer = error_responses.answer_for(problem)
    assert (answer.status, answer.body["code"], answer.headers) == (503, "database_unavailable", {"Retry-After": "1"})
    assert "locked" not in str(answer.body)


@pytest.mark.parametrize(
    ("detail", "body"),
    [
        (
            {"name": ["This field is required."]},
            {"error": "name: This field is required.", "fields": {"name": ["This field is required."]}},
        ),
        (
            {"items": [{}, {"quantity": ["Too small.", "Odd."]}], "name": ["Bad."]},
            {
                "error": "items.1.quantity: Too small.",
                "fields": {"items.1.quantity": ["Too small.", "Odd."], "name": ["Bad."]},
            },
        ),
        (
            {"product_ids": {0: ["Bad."], 2: ["Worse."]}},
            {"error": "product_ids.0: Bad.", "fields": {"product_ids.0": ["Bad."], "product_ids.2": ["Worse."]}},
        ),
    ],
)
def test_a_validation_error_names_each_field_by_its_path(detail: Any, body: dict[str, Any]) -> None:
    """The sentence is the first field's; `fields` has all of them."""
    answer = error_responses.answer_for(drf.ValidationError(detail))
    assert (answer.status, answer.body) == (400, {"code": "invalid", **body})


@pytest.mark.parametrize("detail", ["a and b required", {"non_field_errors": ["a and b required"]}])
def test_a_validation_error_of_no_field_keeps_its_sentence_and_code(detail: Any) -> None:
    """The exact sentence that clients were promised is the whole of `error`."""
    if isinstance(detail, dict):
        detail = {"non_field_errors": [drf.ErrorDetail(detail["non_field_errors"][0], code="fields_required")]}
        answer = error_responses.answer_for(drf.ValidationError(detail))
    else:
        answer = error_responses.answer_for(drf.ValidationError(detail, code="fields_required"))
    assert (answer.status, answer.body) == (400, {"error": "a and b required", "code": "fields_required"})


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("path", ["/raise/crash", "/plain-crash"])
def test_a_crash_is_a_500_without_internals(api: Api, log_lines: LogLines, path: str, debug: bool) -> None:
    """Inside DRF and outside of it, with DEBUG on too; the traceback is in the log."""
    with override_settings(DEBUG=debug):
        answer = api.get(path)
    assert answer.status_code == 500
    assert answer.json() == {"error": "Internal server error", "code": "internal_error"}
    assert answer["Content-Type"] == "application/json"
    crashed = [line for line in log_lines() if line["event"] == "request.crashed"]
    assert len(crashed) == 1
    assert "RuntimeError: secret internals" in crashed[0]["exception"]
    assert crashed[0]["request_id"] == answer["X-Request-ID"]


@pytest.mark.parametrize(
    ("name", "status", "retry_after", "body"),
    [
        ("conflict", 409, None, {"error": "Product 2 is out of stock", "code": "out_of_stock", "product_id": 2}),
        ("unavailable", 503, "7", {"error": "Payment service unavailable", "code": "error"}),
        ("throttled", 429, "3", {"code": "too_many_requests"}),
        ("database", 503, "1", {"error": "The database is not available", "code": "database_unavailable"}),
    ],
)
def test_a_view_may_raise_what_it_means(
    api: Api, name: str, status: int, retry_after: str | None, body: dict[str, Any]
) -> None:
    """Status, body and Retry-After arrive at the client."""
    answer = api.get(f"/raise/{name}")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    assert answer.json().items() >= body.items()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_an_unknown_route_is_answered_in_json(api: Api, method: str, debug: bool) -> None:
    """404 for every method, where Django would show its own page of routes with DEBUG on."""
    with override_settings(DEBUG=debug):
        answers = [api.request(method, "/nothing/here"), api.request(method, "/", PATH_INFO="*")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert [json.loads(answer.content) for answer in answers] == [{"error": "Not found", "code": "not_found"}] * 2


def test_a_method_that_is_not_there_names_those_that_are(api: Api) -> None:
    """405 with `Allow`."""
    answer = api.request("DELETE", "/echo")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, POST, HEAD"
    answer = api.request("POST", "/health")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    answer = api.request("OPTIONS", "/echo")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, POST, HEAD")
    assert "Allow" not in api.get("/echo").headers
