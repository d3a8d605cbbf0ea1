"""What is the same in every service: of what can be looked at, and of every POST."""

import re
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

_PROBING: Final = ("startswith", "contains", "regex", "gt")


def assert_every_list_is_a_read() -> None:
    """What answers page by page has the reads' slots (docs/adr/0027), and no pattern of a read is misspelt."""
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


def assert_every_post_takes_a_key(client: Client) -> None:
    """`Idempotency-Key`: a key that cannot be one is refused before anything is looked at, and the document has it."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    posts = {path: item["post"] for path, item in paths.items() if "post" in item}
    assert posts
    for path, operation in posts.items():
        answer = client.post(
            re.sub(r"{[^}]+}", "1", path), "{}", content_type="application/json", HTTP_IDEMPOTENCY_KEY="k" * 256
        )
        named = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert answer.json().get("code") == "idempotency_key_invalid", f"the view of POST {path} lacks @idempotent"
        assert "Idempotency-Key" in named, f"POST {path} is documented without parameters=[IDEMPOTENCY_KEY]"


def assert_nothing_hidden_can_be_probed(browser: Client) -> None:
    """In the admin's lists no column, and none of a related table, is found out letter by letter by a filter."""
    for model, shown in admin.site._registry.items():
        if model._meta.app_label == "auth":  # Django's own, which sees to it itself
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert browser.get(url).status_code == 200
        fields = model._meta.get_fields()
        beyond = [f"{field.name}__{far.name}" for field in fields for far in _fields_of(field)]
        asked = [f"{name}__{how}" for name in (*(field.name for field in fields), *beyond) for how in _PROBING]
        asked += [name for name in (*(field.name for field in fields), *beyond) if name not in shown.list_filter]
        for lookup in asked:
            answer = browser.get(url, {lookup: "1"})
            assert (answer.status_code, answer["Content-Type"]) == (400, "application/json"), (url, lookup)
        assert not set(shown.exclude or ()) & {name.lstrip("=^@") for name in shown.search_fields}


def _fields_of(field: Any) -> Any:
    return field.related_model._meta.get_fields() if field.is_relation and field.related_model else ()
