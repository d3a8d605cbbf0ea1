"""What the operations on whatever waits for a person have in common."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from servicekit import errors
from servicekit.web.messages import Response
from servicekit.web.openapi import BAD_KEY, IDEMPOTENCY_KEY, REPLAY_PROBLEMS, problem

Handler = TypeVar("Handler", bound=Callable[..., Any])

# A scope: has events published, and messages taken, that were refused.
REPLAY: Final = "events:replay"
# Of each list; `manage.py` has no such bound.
MAX_ROWS: Final = 200
NUMBER: Final = r"(?P<number>[1-9][0-9]{0,17})"


class NotWaiting(errors.NotFound):
    code = "nothing_waits_there"

    def __init__(self) -> None:
        super().__init__("Nothing waits for a person under this number")


TOTAL: Final = serializers.IntegerField(help_text=f"All of them; the list has the oldest {MAX_ROWS}.")
_DONE: Final = inline_serializer("TakenUp", {"count": serializers.IntegerField(help_text="How many were taken up.")})
_NOT_THERE: Final = {404: problem("There is none.", "Nothing waits for a person under this number", NotWaiting.code)}
_BY_NUMBER: Final = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)


def acting(operation_id: str, summary: str) -> Callable[[Handler], Handler]:
    """How the operation that takes one of them up stands in the OpenAPI document."""
    return extend_schema(
        operation_id=operation_id,
        tags=["operations"],
        summary=summary,
        parameters=[_BY_NUMBER, IDEMPOTENCY_KEY],
        request=None,
        responses={
            200: OpenApiResponse(_DONE, examples=[OpenApiExample("Done", value={"count": 1})]),
            **_NOT_THERE,
            **BAD_KEY,
            **REPLAY_PROBLEMS,
        },
    )


def counted(count: int) -> Response:
    """How many were taken up; raises NotWaiting where there were none."""
    if not count:
        raise NotWaiting
    return Response({"count": count})
