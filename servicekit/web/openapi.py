"""Pieces of OpenAPI that every service's operations share."""

from copy import deepcopy
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from servicekit import exactjson
from servicekit.web import headers
from servicekit.web.access import PUBLIC

# Not a class, because a serializer's own `fields` are something else.
PROBLEM: Final = inline_serializer(
    "Problem",
    {
        "error": serializers.CharField(help_text="A sentence for people."),
        "code": serializers.CharField(help_text="A stable word for programs."),
        "fields": serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            required=False,
            help_text="Of a validation error: each wrong field, and what is wrong with it.",
        ),
    },
)


def problem(description: str, sentence: str, code: str, **fields: Any) -> OpenApiResponse:
    """An error answer with its example."""
    example = OpenApiExample(code, value={"error": sentence, "code": code, **fields})
    return OpenApiResponse(PROBLEM, description=description, examples=[example])


# Of a list that takes no query parameters.
NO_PARAMETERS: Final = problem("It takes no parameters.", "page: Not a parameter of this list.", "invalid")


def complete(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """Postprocessing hook of drf-spectacular: say of each operation what any of its kind may answer, and which scope
    it asks for.

    And say "or null" as validators of every kind read it: OpenAPI 3.0 knows `nullable` only beside a `type`.
    """
    _say_scopes(result, generator)
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            answers = _OF_WATCHERS if path.startswith("/health") else _answers_of_any(method)
            for status, answer in answers.items():
                _add_answer(operation["responses"], status, answer)
            _say_null_is_no_body(operation.get("requestBody"), result["components"]["schemas"])
    _say_null_beside_a_type(result, result["components"]["schemas"])
    for name, schema in result["components"]["schemas"].items():
        for field in schema.get("properties", {}).values() if name.endswith("Request") else ():
            _say_default_in_words(field)
    return result


def _say_scopes(result: dict[str, Any], generator: Any) -> None:
    """OpenAPI 3.0 has scopes for OAuth 2 alone, so they stand beside `security`, and in words for people."""
    for path, _, method, view in generator.endpoints:
        scope = view.initkwargs.get("scopes", {}).get(method, PUBLIC)
        operation = result["paths"].get(path, {}).get(method.lower())
        if operation is None or scope == PUBLIC:
            continue
        operation["security"] = [{_KEY_SCHEME: []}, {}]
        operation["x-scope"] = scope
        words = f"Where keys are needed: one with the scope `{scope}`."
        operation["description"] = f"{operation.get('description', '')}\n\n{words}".strip()
        for status, answer in _WITH_KEYS.items():
            _add_answer(operation["responses"], status, answer)
    schemes = result["components"].setdefault("securitySchemes", {})
    schemes[_KEY_SCHEME] = {"type": "http", "scheme": "bearer", "description": "`manage.py keys create` makes one."}


def _answers_of_any(method: str) -> dict[str, dict[str, Any]]:
    return _ANY if method == "get" else {**_ANY, **_UNSAFE}


def _add_answer(responses: dict[str, Any], status: str, answer: dict[str, Any]) -> None:
    """An operation's own answer of that status stays as it is, and may be this one as well."""
    if status not in responses:
        responses[status] = deepcopy(answer)  # others may have something to add
        return
    own = responses[status]
    body, other = own["content"][_JSON], answer["content"][_JSON]
    own["headers"] = {**answer.get("headers", {}), **own.get("headers", {})}
    shapes = body["schema"].get("anyOf", [body["schema"]])
    if other["schema"] not in shapes:
        # Not `oneOf`: what has a shape of its own may be a valid problem, too.
        body["schema"] = {"anyOf": [*shapes, other["schema"]]}
    body["examples"] = {**other["examples"], **body.get("examples", {})}


_JSON: Final = "application/json"
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def _common(description: str, *examples: tuple[str, str], **more: Any) -> dict[str, Any]:
    shown = {code: {"value": {"error": sentence, "code": code}} for code, sentence in examples}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {_JSON: {"schema": schema, "examples": shown}}, **more}


_KEY_SCHEME: Final = "ApiKey"
_CHALLENGE: Final = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "As RFC 6750 has it."}}
# What any operation that asks for a scope may answer.
_WITH_KEYS: Final = {
    "401": _common(
        "There is no key, or one that is unknown, expired or revoked.",
        ("not_authenticated", "An API key is needed: Authorization: Bearer <key>"),
        ("invalid_key", "This API key is unknown, expired or revoked"),
        headers=_CHALLENGE,
    ),
    "403": _common(
        "The key lacks the scope that `scope` names.",
        ("insufficient_scope", "This API key lacks the scope orders:write"),
        headers=_CHALLENGE,
    ),
    "429": _common(
        "The key has used up its limit. Nothing was done.",
        ("too_many_requests", "This API key has used up its limit"),
        headers=_RETRY_AFTER,
    ),
}
# What any operation may answer.
_ANY: Final = {
    "400": _common("The request is wrong in itself.", ("bad_request", "Bad request")),
    "414": _common("The URL is too long.", ("uri_too_long", "URL is longer than 8000 characters")),
    "500": _common("A defect of the service.", ("internal_error", "Internal server error")),
    "503": _common(
        "Nothing was done: too much was asked for at the same time, or the database cannot be reached. Repeat it after "
        "`Retry-After` seconds.",
        ("overloaded", "Too many requests at the same time"),
        ("database_unavailable", "The database is not available"),
        headers=_RETRY_AFTER,
    ),
}
# What whoever watches the service may be told instead of what was asked: too many ask the same.
_OF_WATCHERS: Final = {"503": _ANY["503"]}
# What an operation that changes something may answer on top of that.
_UNSAFE: Final = {
    "403": _common("A web page of another origin asked for it.", ("cross_site", "Cross-site requests are not allowed")),
    "408": _common("The body did not come in time.", ("request_timeout", "The request body did not arrive in time")),
    "411": _common(
        "A body in chunks, where another server than its own runs the service.",
        ("length_required", headers.LENGTH_REQUIRED.body["error"]),
    ),
    "413": _common("The body is too large.", ("request_too_large", "Request body is too large")),
    "415": _common(
        "The body is not JSON, or encoded.",
        ("unsupported_media_type", 'Unsupported media type "text/plain" in request.'),
    ),
}


def _say_default_in_words(field: dict[str, Any]) -> None:
    """A type that a generator makes of a field with a `default` asks every caller to give it."""
    if "default" in field:
        default = exactjson.encode(field.pop("default")).decode()
        field["description"] = f"{field.get('description', '')} By default {default}.".strip()


def _say_null_is_no_body(body: dict[str, Any] | None, schemas: dict[str, Any]) -> None:
    """Where a body may be left out (`rest.OptionalBodyIn`), `null` is none as well."""
    if body is not None and not body.get("required"):
        body["required"] = False  # some validators take what is not said for true
        schemas[body["content"][_JSON]["schema"]["$ref"].rpartition("/")[2]]["nullable"] = True


def _say_null_beside_a_type(node: Any, schemas: dict[str, Any]) -> None:
    """`nullable` moves to the one alternative, or the one component, that has a `type`."""
    if isinstance(node, list):
        for child in node:
            _say_null_beside_a_type(child, schemas)
    if not isinstance(node, dict):
        return
    if node.get("nullable") is True and "type" not in node:
        del node["nullable"]
        target = node["anyOf"][0] if "anyOf" in node else schemas[_only_reference(node)]
        target["nullable"] = True
    for child in node.values():
        _say_null_beside_a_type(child, schemas)


def _only_reference(node: dict[str, Any]) -> str:
    (reference,) = node.pop("allOf")
    node.update(reference)
    return str(reference["$ref"]).rpartition("/")[2]


# Bare without a comma, or quoted without a quotation mark; a header's value never begins or ends with a space.
_KEY_PATTERN: Final = r'^("[ !#-~]{1,255}"|(?!".*"$)[!-+.-~-]([ -+.-~-]{0,253}[!-+.-~-])?)$'

IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": _KEY_PATTERN},
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters. The same key and body again is answered with the first answer.",
)

# What a POST that takes no input but a key may answer to a wrong one.
BAD_KEY: Final[dict[int, OpenApiResponse]] = {
    400: problem(
        "The key is none.",
        "Idempotency-Key must be 1 to 255 printable ASCII characters",
        "idempotency_key_invalid",
    ),
}

# What any POST that takes a key may answer because of the key.
REPLAY_PROBLEMS: Final[dict[int, OpenApiResponse]] = {
    409: problem(
        "The first request with this key is still running.",
        "A request with this Idempotency-Key is still running",
        "idempotency_key_in_use",
    ),
    422: problem(
        "The key was used with another body.",
        "This Idempotency-Key was used with another request body",
        "idempotency_key_reused",
    ),
}
