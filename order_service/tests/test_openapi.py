"""The committed OpenAPI document is the one that the code makes."""

from pathlib import Path

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from servicekit.tests.looking import assert_every_list_is_a_read

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi" / "order_service.yaml"


def test_committed_document_is_current() -> None:
    """Else: python order_service/manage.py spectacular --validate --file docs/openapi/order_service.yaml"""
    made = OpenApiYamlRenderer().render(SchemaGenerator().get_schema(request=None, public=True), renderer_context={})
    assert COMMITTED.read_bytes() == made


def test_every_list_has_places_of_its_own() -> None:
    """A read never takes a place from what moves something."""
    assert_every_list_is_a_read()
