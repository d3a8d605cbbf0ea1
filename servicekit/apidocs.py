"""Pieces of OpenAPI that every service's operations share."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

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


_OVERLOADED: Final = {
    "description": "Too much was asked for at the same time, and nothing was done. Repeat it after `Retry-After` s.",
    "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {
                "Overloaded": {"value": {"error": "Too many requests at the same time", "code": "overloaded"}}
            },
        }
    },
}


def say_overloaded(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook of drf-spectacular: any operation may be refused so, but not the question how the service is.

    An operation that has another 503 of its own keeps that.
    """
    for path, operations in result["paths"].items():
        for operation in operations.values() if not path.startswith("/health") else ():
            operation["responses"].setdefault("503", _OVERLOADED)
    return result


# Bare or quoted; a header's value never begins or ends with a space.
_KEY_PATTERN: Final = r'^("[ -~]{1,255}"|(?!".*"$)[!-~]([ -~]{0,253}[!-~])?)$'

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
