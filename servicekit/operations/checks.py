"""What must always be true, checked over HTTP: for whoever runs the services from a page."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from django.urls import URLPattern
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from servicekit.invariants import checker
from servicekit.invariants.checker import Batch, Finding, Invariant, Outcome, Pass, Waiting
from servicekit.web.access import AUDIT
from servicekit.web.fields import QueryIn, QueryIntegerField, parsed
from servicekit.web.messages import Request, Response
from servicekit.web.openapi import problem
from servicekit.web.routes import route
from servicekit.web.views import View

# Violations in one answer; whoever has more has one cause.
MAX_FINDINGS: Final = 100
# What is looked at in that time is what the answer tells of. A request that takes longer keeps others waiting.
CHECKS_FOR_S: Final = 10.0
VERDICTS: Final = inline_serializer(
    "InvariantVerdict",
    {
        "number": serializers.CharField(help_text="Which promise of docs/reliability.md it is a part of."),
        "name": serializers.CharField(),
        "promise": serializers.CharField(help_text="What must be true."),
        "advice": serializers.CharField(help_text="What to do when it is not."),
        "rows": serializers.CharField(help_text="What it was checked on."),
        "looked_at": serializers.IntegerField(help_text="How many of them."),
        "violations": serializers.ListField(child=serializers.CharField()),
    },
    many=True,
)
_WAITING: Final = inline_serializer(
    "WaitingForAPerson",
    {"rows": serializers.CharField(), "count": serializers.IntegerField(), "advice": serializers.CharField()},
    many=True,
)
_REPORT: Final = inline_serializer(
    "InvariantReport",
    {
        "outcome": serializers.ChoiceField(["holds", "violated", "unproven", "incomplete"]),
        "seconds": serializers.FloatField(),
        "invariants": VERDICTS,
        "waiting": _WAITING,
    },
)
_VERDICT_EXAMPLE: Final = {
    "number": "I5",
    "name": "events_are_in_order",
    "promise": "A row's events carry rising versions.",
    "advice": "Compare the trail with the log of that time.",
    "rows": "orders",
    "looked_at": 12,
    "violations": [],
}


class InvariantsIn(QueryIn):
    """What counts as left undone."""

    quiet_for = QueryIntegerField(
        min_value=0, max_value=86_400, default=60, help_text="Seconds: what is unfinished for longer is a violation."
    )


class InvariantsView(View):
    passes: Callable[[float], Sequence[Pass]] = staticmethod(lambda _quiet_for_s: ())
    waiting: Callable[[], Iterable[Waiting]] = staticmethod(tuple)

    @extend_schema(
        operation_id="check_invariants",
        tags=["operations"],
        summary="Check what must always be true of this service's rows, now",
        description=(
            f"Reads for at most {CHECKS_FOR_S:.0f} s. `incomplete`: there is more than that; `manage.py "
            "check_invariants` has no such limit. `unproven`: there is nothing to look at."
        ),
        parameters=[InvariantsIn],
        responses={
            200: OpenApiResponse(
                _REPORT,
                examples=[
                    OpenApiExample(
                        "Holds",
                        value={"outcome": "holds", "seconds": 0.12, "invariants": [_VERDICT_EXAMPLE], "waiting": []},
                    )
                ],
            ),
            400: problem("A wrong parameter.", "quiet_for: A valid integer is required.", "invalid"),
        },
    )
    def get(self, request: Request) -> Response:
        quiet_for_s: int = parsed(InvariantsIn, request.query_params)["quiet_for"]
        return Response(report(self.passes(float(quiet_for_s)), self.waiting))


class _Report:
    """Collects what the checker tells."""

    def __init__(self) -> None:
        self.findings: dict[str, list[str]] = {}
        self.invariants: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []

    def found(self, finding: Finding) -> None:
        said = self.findings.setdefault(finding.invariant.name, [])
        if len(said) < MAX_FINDINGS:
            said.append(f"{finding.subject}: {finding.message}")

    def judged(self, invariant: Invariant, *, rows: str, looked_at: int, violations: int) -> None:
        self.invariants.append(
            _verdict(invariant, rows, looked_at=looked_at, violations=self.findings.get(invariant.name, []))
        )

    def waits(self, waiting: Waiting) -> None:
        self.waiting.append({"rows": waiting.rows, "count": waiting.count, "advice": waiting.advice})

    def ended(self, outcome: Outcome, *, looked_at: dict[str, int], violations: int) -> None:
        """The outcome is what `check` returns."""


def report(
    passes: Sequence[Pass],
    waiting: Callable[[], Iterable[Waiting]] = tuple,
    *,
    limit_s: float = CHECKS_FOR_S,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Run the checks for as long as a request may take, and say what each was checked on."""
    began = clock()
    cut: list[str] = []

    def bounded(each: Pass) -> Iterator[Batch]:
        for batch in each.batches():
            yield batch
            if clock() - began > limit_s:
                cut.append(each.rows)
                return

    told = _Report()
    bounded_passes = [replace(each, batches=lambda each=each: bounded(each)) for each in passes]  # type: ignore[misc]
    outcome = checker.check(bounded_passes, told, waiting=waiting)
    said = "incomplete" if cut and outcome is not Outcome.VIOLATED else outcome.name.lower()
    seconds = round(clock() - began, 3)
    return {"outcome": said, "seconds": seconds, "invariants": told.invariants, "waiting": told.waiting}


def verdicts(invariants: Sequence[Invariant], findings: Iterable[Finding], *, rows: str) -> list[dict[str, Any]]:
    """How each invariant stands of a single row."""
    by_name: dict[str, list[str]] = {}
    for finding in findings:
        by_name.setdefault(finding.invariant.name, []).append(finding.message)
    return [_verdict(each, rows, looked_at=1, violations=by_name.get(each.name, [])) for each in invariants]


def routes(
    passes: Callable[[float], Sequence[Pass]], waiting: Callable[[], Iterable[Waiting]] = tuple
) -> list[URLPattern]:
    """`/api/invariants/` of a service.

    Args:
        passes: What is checked, for a number of seconds after which what is unfinished is a violation.
        waiting: What waits for a person.
    """
    # On an instance, where a function is no method.
    told = {"passes": passes, "waiting": waiting}
    return [route(r"^api/invariants/?$", InvariantsView, options=told, get=AUDIT)]


def _verdict(invariant: Invariant, rows: str, *, looked_at: int, violations: Sequence[str]) -> dict[str, Any]:
    return {
        "number": invariant.number,
        "name": invariant.name,
        "promise": invariant.promise,
        "advice": invariant.advice,
        "rows": rows,
        "looked_at": looked_at,
        "violations": list(violations),
    }
