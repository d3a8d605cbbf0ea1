"""The OpenAPI document: committed, current, complete with examples, and true."""

import json
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from servicekit import exactjson
from servicekit.tests.documents import (
    assert_every_operation_has_examples,
    assert_openapi_is_current,
    assert_openapi_is_valid,
)


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_committed_document_is_current() -> None:
    """To the byte; the message has the command that makes it anew."""
    assert_openapi_is_current("notify_service")


def test_the_document_is_valid_and_made_without_a_warning(document: Any) -> None:
    """As `spectacular --validate --fail-on-warn` has it."""
    assert_openapi_is_valid(document)


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
    assert_every_operation_has_examples(document, operations=1)
