"""Documents that the code makes, held against the committed ones: what differs, and which command mends it."""

from collections.abc import Iterable, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

import jsonschema
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

_ROOT: Final = Path(__file__).resolve().parents[2]
# Lines of a difference that are shown: enough to know it by.
_SHOWN: Final = 40


def assert_openapi_is_current(service: str) -> None:
    """docs/openapi/SERVICE.yaml is what the code of this process makes, to the byte."""
    made = OpenApiYamlRenderer().render(SchemaGenerator().get_schema(request=None, public=True), renderer_context={})
    path = f"docs/openapi/{service}.yaml"
    committed = (_ROOT / path).read_bytes()
    changes = list(
        unified_diff(committed.decode().splitlines(), made.decode().splitlines(), path, "the code", lineterm="", n=2)
    )
    if committed != made:
        raise AssertionError(
            f"{path} is not what the code makes. If the change of the API is meant, run\n"
            f"    python {service}/manage.py spectacular --validate --file {path}\n"
            f"and commit it. What differs:\n{_shown(changes)}"
        )


def assert_openapi_is_valid(document: Any) -> None:
    """As `spectacular --validate --fail-on-warn` has it."""
    validate_schema(document)
    assert not GENERATOR_STATS


def assert_every_operation_has_examples(document: Any, *, operations: int) -> None:
    """Each request body and each answer that has one; an example has the shape it is shown for.

    Args:
        document: As any client reads it.
        operations: How many there are.
    """
    found = []
    for path, item in document["paths"].items():
        found += [(f"{method} {path}", operation) for method, operation in item.items() if path.startswith("/api/")]
    assert len(found) == operations
    for name, operation in found:
        shown = [answer for status, answer in operation["responses"].items() if status != "204"]
        for described in [*shown, *([operation["requestBody"]] if "requestBody" in operation else [])]:
            content = described["content"]["application/json"]
            assert content["examples"], name
            for example in content["examples"].values():
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.validate(example["value"], schema, cls=jsonschema.Draft4Validator)


def assert_documented(what: str, *, documented: Iterable[str], told: Iterable[str]) -> None:
    """docs/asyncapi/events.yaml has exactly the event types that the code can publish."""
    written, sent = set(documented), set(told)
    if written != sent:
        raise AssertionError(
            f"docs/asyncapi/events.yaml and {what} differ.\n"
            f"Published and not documented (add a message and its line in the channel): {sorted(sent - written)}\n"
            f"Documented and not published (remove them, or publish them): {sorted(written - sent)}"
        )


def assert_payloads_documented(what: str, payloads: Mapping[str, Any], *, document: Any) -> None:
    """Each event's payload in docs/asyncapi/events.yaml has exactly the fields of its type, required or not."""
    schemas, problems = document["components"]["schemas"], []
    by_name = {each["name"]: each["payload"]["$ref"] for each in document["components"]["messages"].values()}
    for name, payload in payloads.items():
        if name not in by_name:  # said by `assert_documented`
            problems.append(f"{name} has no message in the document")
            continue
        schema = schemas[by_name[name].rpartition("/")[2]]
        documented = {field: field in schema["required"] for field in schema["properties"]}
        sent = {field: field in payload.__required_keys__ for field in payload.__annotations__}
        for field in sorted({*documented, *sent}):
            there, here = _HOW[documented.get(field)], _HOW[sent.get(field)]
            if there != here:
                problems.append(f"{name}: {field} is {there} in the document, {here} in the code")
    if problems:
        raise AssertionError(f"docs/asyncapi/events.yaml and {what} differ.\n" + "\n".join(problems))


_HOW: Final = {None: "absent", True: "required", False: "optional"}


def _shown(changes: list[str]) -> str:
    left = len(changes) - _SHOWN
    return "\n".join([*changes[:_SHOWN], *([f"... and {left} lines more"] if left > 0 else [])])
