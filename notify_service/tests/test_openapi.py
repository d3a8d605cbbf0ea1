"""The OpenAPI document: committed, current, complete with examples, and true."""

import json
from typing import Any

import jsonschema
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from servicekit import exactjson
from servicekit.tests.documents import assert_openapi_is_current


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_committed_document_is_current() -> None:
    """To the byte; the message has the command that makes it anew."""
    assert_openapi_is_current("notify_service")


def test_the_document_is_valid_and_made_without_a_warning(document: Any) -> None:
    """As `spectacular --validate --fail-on-warn` has it."""
    validate_schema(document)
    assert not GENERATOR_STATS


def _operations(document: Any) -> list[tuple[str, Any]]:
    found = []
    for path, item in document["paths"].items():
        found += [(f"{method} {path}", operation) for method, operation in item.items() if path.startswith("/api/")]
    return found


def _with_null(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema says it."""
    if isinstance(node, list):
        return [_with_null(child) for child in node]
    if not isinstance(node, dict):
        return node
    said = {name: _with_null(child) for name, child in node.items()}
    return {**said, "type": [said["type"], "null"]} if said.get("nullable") is True else said


def test_every_operation_has_examples_of_all_it_takes_and_answers(document: Any) -> None:
    """Each request body and each answer that has one; an example of an answer has the shape it is shown for."""
    document = _with_null(json.loads(exactjson.encode(document)))  # as any client reads it
    operations = _operations(document)
    assert len(operations) == 1
    for name, operation in operations:
        shown = [answer for status, answer in operation["responses"].items() if status != "204"]
        for described in [*shown, *([operation["requestBody"]] if "requestBody" in operation else [])]:
            content = described["content"]["application/json"]
            assert content["examples"], name
            for example in content["examples"].values():
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.validate(example["value"], schema, cls=jsonschema.Draft4Validator)
