"""What is the same in every service of what can be looked at."""

import re

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator


def assert_every_list_is_a_read() -> None:
    """What answers page by page has the reads' places (docs/adr/0027), and no pattern of a read is misspelt."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    parameters = {path: item["get"].get("parameters", ()) for path, item in paths.items() if "get" in item}
    lists = {path for path, given in parameters.items() if "per_page" in {one["name"] for one in given}}
    asked = {path: re.sub(r"{[^}]+}", "1", path.rstrip("/")) for path in parameters}
    found = {
        pattern: {path for path in asked if re.fullmatch(pattern, asked[path])} for pattern in settings.ADMISSION.reads
    }
    assert lists
    assert lists <= set().union(*found.values())
    assert all(found.values()), found
